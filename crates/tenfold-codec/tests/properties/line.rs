//! Lines that describe framings.

use tenfold_codec::{Base, Framing, FramingError, Number, Pad, Shape, Side, Step};

use crate::naive::model::Model;

/// Any text is refused with its place in it, or is a framing whose spelling is the canonical one.
pub(crate) fn parses_or_is_refused(line: &str) {
    match line.parse::<Framing>() {
        Ok(framing) => is_canonical(&framing),
        Err(error) => {
            assert!(error.at() <= line.len(), "{line:?}: {error}");
            assert!(line.is_char_boundary(error.at()), "{line:?}: {error}");
            assert_eq!(error.to_string().lines().count(), 1, "{line:?}");
            assert!(!error.problem().is_empty());
        }
    }
}

/// What was parsed prints as the one spelling, which is read back as the same.
pub(crate) fn is_canonical(framing: &Framing) {
    let printed = framing.to_string();
    let again: Framing = printed.parse().expect("the canonical spelling is legal");
    assert_eq!(again, *framing, "{printed}");
    assert_eq!(again.to_string(), printed);
    let model = Model::read(&printed).unwrap_or_else(|| panic!("{printed} is not canonical"));
    assert_eq!(model.print(), printed);
    assert_eq!(framing.is_symmetric(), model.client == model.server);
    for (side, steps) in [
        (framing.client(), &model.client),
        (framing.server(), &model.server),
    ] {
        assert_eq!(side.has_marks(), steps.iter().any(|step| step.marks));
        let announces = steps.iter().all(crate::naive::model::Step::announces);
        assert_eq!(side.announces_length(), announces);
        assert_eq!(rebuilt(side).as_ref(), Ok(side), "{printed}");
    }
}

/// The side, made with constructors from the answers that its steps give.
fn rebuilt(side: &Side) -> Result<Side, FramingError> {
    Side::new(
        side.steps()
            .iter()
            .map(rebuilt_step)
            .collect::<Result<Vec<_>, _>>()?,
    )
}

fn rebuilt_step(step: &Step) -> Result<Step, FramingError> {
    let mut made = match step.shape() {
        Shape::Number {
            number, add, at, ..
        } => {
            let number = Step::number(rebuilt_number(number)?);
            number.with_add(*add)?.with_at(*at)?
        }
        Shape::Delim(end) => Step::delimited(end)?,
        Shape::Fixed(size) => Step::fixed(*size)?,
        Shape::ContentLength => Step::content_length(),
        Shape::Stuffed(stuffing) => Step::stuffed(*stuffing),
        shape => panic!("no constructor is known for {shape:?}"),
    };
    if !step.open().is_empty() {
        made = made.with_open(step.open())?;
    }
    if !step.close().is_empty() {
        made = made.with_close(step.close())?;
    }
    if step.has_marks() {
        made = made.with_marks()?;
    }
    if step.is_lax() {
        made = made.with_lax()?;
    }
    if step.counts_chars() {
        made = made.with_chars()?;
    }
    Ok(made)
}

/// The number, without `lax`, which is an option of the step.
fn rebuilt_number(number: &Number) -> Result<Number, FramingError> {
    match number {
        Number::Bits { bits, order, .. } => Number::bits(*bits, *order),
        Number::Varint => Ok(Number::Varint),
        Number::Ber => Ok(Number::Ber),
        Number::Field {
            base: Base::Hex,
            width,
            ..
        } => Number::hex(*width),
        Number::Field { width, pad, .. } => match pad {
            Pad::Space | Pad::LaxSpace => Number::decimal(*width),
            _ => Number::zero_padded_decimal(*width),
        },
        Number::Ended { base, end, .. } => match base {
            Base::Hex => Number::hex_ended_by(end),
            _ => Number::decimal_ended_by(end),
        },
        number => panic!("no constructor is known for {number:?}"),
    }
}
