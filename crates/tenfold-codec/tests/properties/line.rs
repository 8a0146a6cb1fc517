//! Lines that describe framings.

use tenfold_codec::Framing;

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
    }
}
