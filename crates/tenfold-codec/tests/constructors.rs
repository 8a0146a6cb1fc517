//! Framings that a program makes without a line of text, and what it can ask of them. That every
//! framing can be made so is a property of the generated ones (`properties/line.rs`).

use tenfold_codec::{
    Base, ByteOrder, Framing, FramingError, Number, PRESETS, Shape, Side, Step, Stuffing,
};

fn parsed(line: &str) -> Framing {
    line.parse().unwrap()
}

#[test]
fn a_constructed_framing_equals_the_one_its_line_stands_for() -> Result<(), FramingError> {
    let made: &[(&str, Framing)] = &[
        ("decimal:10", Framing::decimal(10)?),
        ("decimal:10", Framing::default()),
        (r"delim:\n", Framing::delimited(b"\n")?),
        (r"delim:\n", Framing::lines()),
        (
            r"delim:\r\n\x2c\x2f\x20\xff",
            Framing::delimited(b"\r\n,/ \xff")?,
        ),
        ("fixed:188", Framing::fixed(188)?),
        ("u8", Framing::number(Number::U8)),
        ("u16be", Framing::number(Number::U16_BE)),
        ("u16le", Framing::number(Number::U16_LE)),
        ("u32be", Framing::number(Number::U32_BE)),
        ("u32le", Framing::number(Number::U32_LE)),
        ("u64be", Framing::number(Number::U64_BE)),
        ("u64le", Framing::number(Number::U64_LE)),
        ("u8", Framing::number(Number::bits(8, ByteOrder::Little)?)),
        ("u31be", Framing::number(Number::bits(31, ByteOrder::Big)?)),
        ("varint", Framing::number(Number::Varint)),
        ("ber", Framing::number(Number::Ber)),
        (
            "decimal:08",
            Framing::number(Number::zero_padded_decimal(8)?),
        ),
        ("content-length", Step::content_length().into()),
        ("cobs", Step::stuffed(Stuffing::Cobs).into()),
        ("slip", Step::stuffed(Stuffing::Slip).into()),
        ("hdlc", Step::stuffed(Stuffing::Hdlc).into()),
        (
            "netstring",
            Step::number(Number::decimal_ended_by(b":")?)
                .with_close(b",")?
                .into(),
        ),
        (
            "git",
            Step::number(Number::hex(4)?)
                .with_add(-4)?
                .with_marks()?
                .into(),
        ),
        (
            r"hex,open=<,end=\r\n,close=>",
            Step::number(Number::hex_ended_by(b"\r\n")?)
                .with_close(b">")?
                .with_open(b"<")?
                .into(),
        ),
        (
            "decimal:10,lax,chars",
            Step::number(Number::NATIVE)
                .with_chars()?
                .with_lax()?
                .into(),
        ),
        (
            "u8 // delim:\\n",
            Framing::new(Number::U8, Step::delimited(b"\n")?),
        ),
        (
            "u8/u16be",
            Side::new([Number::U8, Number::U16_BE, Number::U16_BE].map(Step::number))?.into(),
        ),
    ];
    for (line, framing) in made {
        assert_eq!(*framing, parsed(line), "{line}");
    }
    Ok(())
}

#[test]
fn an_impossible_framing_is_refused_with_the_words_of_its_line() {
    let step = || Step::number(Number::U32_BE);
    let refused: &[(&str, FramingError)] = &[
        ("decimal:0", Framing::decimal(0).unwrap_err()),
        ("decimal:65", Framing::decimal(65).unwrap_err()),
        ("fixed:0", Framing::fixed(0).unwrap_err()),
        ("delim:", Framing::delimited(b"").unwrap_err()),
        ("u65be", Number::bits(65, ByteOrder::Big).unwrap_err()),
        ("u0le", Number::bits(0, ByteOrder::Little).unwrap_err()),
        ("decimal:00", Number::zero_padded_decimal(0).unwrap_err()),
        ("hex,end=a", Number::hex_ended_by(b"a").unwrap_err()),
        ("decimal,end=", Number::decimal_ended_by(b"").unwrap_err()),
        ("u32be+4294967296", step().with_add(1 << 32).unwrap_err()),
        (
            "u32be-9223372036854775808",
            step().with_add(i64::MIN).unwrap_err(),
        ),
        ("u32be@4097", step().with_at(4097).unwrap_err()),
        ("u32be,lax", step().with_lax().unwrap_err()),
        ("u32be,chars", step().with_chars().unwrap_err()),
        ("u32be,marks", step().with_marks().unwrap_err()),
        ("u32be,open=", step().with_open(b"").unwrap_err()),
        (
            "cobs,close=x",
            Step::stuffed(Stuffing::Cobs).with_close(b"x").unwrap_err(),
        ),
        (
            "u8,open=x,open=y",
            Step::number(Number::U8)
                .with_open(b"x")
                .and_then(|step| step.with_open(b"y"))
                .unwrap_err(),
        ),
    ];
    for (line, error) in refused {
        assert_eq!(line.parse::<Framing>().as_ref(), Err(error), "{line}");
    }
}

#[test]
fn only_numbers_have_something_added_or_before_them() -> Result<(), FramingError> {
    // As a line, `delim:\n+4` would be another delimiter.
    for step in [
        Step::delimited(b"\n")?,
        Step::fixed(4)?,
        Step::content_length(),
    ] {
        let error = step.clone().with_add(4).unwrap_err();
        assert_eq!(error.problem(), "+A, -A and @O go only with numbers");
        assert_eq!(step.with_at(4).unwrap_err(), error);
    }
    Ok(())
}

#[test]
fn a_side_has_one_to_sixteen_steps() {
    let none = Side::new([]).unwrap_err();
    assert_eq!(none.problem(), "a side has at least one step");
    let steps = |count: u64| Side::new((1..=count).map(|size| Step::fixed(size).unwrap()));
    assert_eq!(steps(16).unwrap().steps().len(), 16);
    let many = steps(17).unwrap_err();
    assert_eq!(many.problem(), "a side has at most 16 steps");
}

#[test]
fn a_side_says_what_it_is() {
    for preset in PRESETS {
        let framing = parsed(preset.line);
        for side in [framing.client(), framing.server()] {
            let line = side.to_string();
            assert_eq!(side.is_lines(), line == r"delim:\n", "{line}");
            assert_eq!(side.is_native(), line == "decimal:10", "{line}");
            let stuffed = ["cobs", "slip", "hdlc"].contains(&&*line);
            assert_eq!(side.is_stuffed(), stuffed, "{line}");
            assert_eq!(side.has_marks(), line.contains("marks"), "{line}");
        }
    }
    for near in [
        r"delim:\n,open=x",
        r"delim:\n,close=x",
        r"delim:\r\n",
        r"delim:\n/u8",
    ] {
        assert!(!parsed(near).client().is_lines(), "{near}");
    }
    for near in [
        "decimal:10,lax",
        "decimal:10,chars",
        "decimal:10,open=x",
        "decimal:10+1",
    ] {
        assert!(!parsed(near).client().is_native(), "{near}");
    }
    assert!(!parsed("cobs/slip/u8").client().is_stuffed());
    assert!(parsed("cobs/slip").client().is_stuffed());
}

#[test]
fn a_step_says_its_shape_and_its_options() {
    let framing = parsed(r"u24le-4@1,open=\x01,close=\xff/decimal,end=:,chars");
    let [first, last] = framing.client().steps() else {
        panic!("two steps");
    };
    let Shape::Number {
        number, add, at, ..
    } = first.shape()
    else {
        panic!("a number");
    };
    assert_eq!((*add, *at), (-4, 1));
    assert_eq!(number.size(), Some(3));
    assert_eq!(number.byte_order(), Some(ByteOrder::Little));
    assert_eq!(number.base(), None);
    assert!(number.end().is_empty());
    assert_eq!((first.open(), first.close()), (&b"\x01"[..], &b"\xff"[..]));
    assert!(first.announces_length() && !first.counts_chars());

    let Shape::Number { number, .. } = last.shape() else {
        panic!("a number");
    };
    assert_eq!(number.base(), Some(Base::Decimal));
    assert_eq!((number.end(), number.size()), (&b":"[..], None));
    assert_eq!(number.byte_order(), None);
    assert!(last.counts_chars() && !last.announces_length() && !last.is_lax());
    assert_eq!(last.to_string(), "decimal,end=:,chars");
}

#[test]
fn a_number_of_one_byte_has_no_order_of_bytes() {
    assert_eq!(Number::U8.byte_order(), None);
    assert_eq!(Number::U16_BE.byte_order(), Some(ByteOrder::Big));
}
