//! Properties over generated framings and streams.

mod strategies;

use proptest::collection::vec;
use proptest::prelude::*;
use tenfold_codec::Framing;

use crate::naive::model::Model;
use crate::naive::{Event, Settings, decode};
use crate::properties::decoding::{Found, agrees_with_the_naive_decoder, decoder_of};
use crate::properties::encoding::{agrees_with_the_naive_encoder, encoded};
use crate::properties::{line, native};
use strategies::{
    event, fitting, model, mutation, noise, plan, settings, steps, steps_and_stream, stream_of,
};

/// How many cases a property gets; the long tier has twenty times as many.
fn cases(quick: u32) -> ProptestConfig {
    let full = std::env::var("TENFOLD_FULL").is_ok_and(|full| full == "1");
    ProptestConfig::with_cases(if full { 20 * quick } else { quick })
}

const UNLIMITED: Settings = Settings {
    limit: u64::MAX,
    pieces_above: None,
    skip: false,
};

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_printed_framing_is_read_back_as_the_same(model in model()) {
        let printed = model.print();
        let framing: Framing = printed.parse().unwrap();
        prop_assert_eq!(framing.to_string(), &printed[..]);
        line::is_canonical(&framing);
        prop_assert_eq!(Model::read(&printed).map(|model| model.print()), Some(printed));
    }

    #[test]
    fn every_spelling_of_a_framing_prints_as_the_canonical_one(
        model in model(),
        choices in vec(any::<u8>(), 1..20),
    ) {
        let mut choices = choices.into_iter().cycle();
        let spelled = spelled(&model, &mut || choices.next().unwrap());
        let framing: Framing = spelled.parse().map_err(|error| {
            TestCaseError::fail(format!("{error}"))
        })?;
        prop_assert_eq!(framing.to_string(), model.print());
        prop_assert_eq!(framing, model.print().parse().unwrap());
    }

    #[test]
    fn a_line_with_mistakes_is_refused_with_their_place_or_is_a_framing(
        model in model(),
        mutations in vec(mutation(), 1..4),
    ) {
        let mut line = model.print().into_bytes();
        for mutation in mutations {
            mutation.apply(&mut line);
        }
        line::parses_or_is_refused(&String::from_utf8_lossy(&line));
    }

    #[test]
    fn any_text_is_refused_with_its_place_or_is_a_framing(text in "[a-z0-9:=,/\\\\@+-é ]{0,24}") {
        line::parses_or_is_refused(&text);
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn kept_frames_are_walked_as_a_decoder_reads_them(
        messages in vec(vec(any::<u8>(), 0..300), 0..6),
        mutations in vec(mutation(), 0..3),
    ) {
        let frame = |message: &Vec<u8>| {
            [format!("{:<10}", message.len()).as_bytes(), message].concat()
        };
        let mut bytes: Vec<u8> = messages.iter().flat_map(frame).collect();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        native::walks_as_a_decoder_reads(&bytes);
    }
}

proptest! {
    #![proptest_config(cases(1200))]

    #[test]
    fn messages_are_framed_or_refused_as_by_the_naive_encoder(
        steps in steps(),
        events in vec(event(), 0..6),
        plan in plan(),
    ) {
        agrees_with_the_naive_encoder(&steps, &events, &plan);
    }

    #[test]
    fn what_is_encoded_is_decoded(steps in steps(), events in vec(event(), 0..6), plan in plan()) {
        let events = fitting(&steps, events);
        agrees_with_the_naive_encoder(&steps, &events, &plan);
        let found = decoded_whole(&steps, UNLIMITED, &encoded(&steps, &events));
        prop_assert_eq!(found, events);
    }

    #[test]
    fn a_minimal_stream_is_the_same_after_decoding_and_encoding(
        (steps, stream) in steps_and_stream(),
    ) {
        let events = decoded_whole(&steps, UNLIMITED, &stream);
        prop_assert_eq!(encoded(&steps, &events), stream);
    }

    #[test]
    fn messages_in_pieces_are_those_that_come_whole(
        (steps, stream) in steps_and_stream(),
        above in prop_oneof![0_u64..4, 0_u64..300],
        plan in plan(),
    ) {
        let whole = decode(&steps, UNLIMITED, &stream, true);
        let settings = Settings { pieces_above: Some(above), ..UNLIMITED };
        prop_assert_eq!(&decode(&steps, settings, &stream, true), &whole);
        agrees_with_the_naive_decoder(&steps, settings, &stream, &plan);
    }

    #[test]
    fn a_stream_of_frames_is_read_alike_however_it_is_cut(
        (steps, stream) in steps_and_stream(),
        settings in settings(),
        plan in plan(),
    ) {
        agrees_with_the_naive_decoder(&steps, settings, &stream, &plan);
    }
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn a_broken_stream_is_judged_as_by_the_naive_decoder_however_it_is_cut(
        (steps, stream) in steps_and_stream(),
        mutations in vec(mutation(), 1..4),
        settings in settings(),
        plan in plan(),
    ) {
        let mut stream = stream;
        for mutation in mutations {
            mutation.apply(&mut stream);
        }
        agrees_with_the_naive_decoder(&steps, settings, &stream, &plan);
    }

    #[test]
    fn noise_is_judged_as_by_the_naive_decoder_however_it_is_cut(
        steps in steps(),
        noise in noise(),
        settings in settings(),
        plan in plan(),
    ) {
        agrees_with_the_naive_decoder(&steps, settings, &noise, &plan);
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn a_stream_with_large_messages_is_read_alike_however_it_is_cut(
        steps in steps(),
        sizes in vec(0_usize..200_000, 1..4),
        settings in settings(),
        plan in plan(),
    ) {
        let messages = sizes.into_iter().map(|size| Event::Message(vec![b'a'; size])).collect();
        let stream = stream_of(&steps, &fitting(&steps, messages));
        // Small chunks would be compared too often.
        let plan: Vec<u8> = plan.into_iter().map(|how| how | 0xf0).collect();
        let settings = Settings { limit: settings.limit.max(150_000), ..settings };
        agrees_with_the_naive_decoder(&steps, settings, &stream, &plan);
    }

    // Long enough that the decoder's batches, and its first buffer, are full several times.
    #[test]
    fn a_long_stream_is_read_alike_however_it_is_cut(
        steps in steps(),
        events in vec(event(), 1..30),
        repeat in 1_usize..30,
        settings in settings(),
        plan in plan(),
    ) {
        let count = events.len() * repeat;
        let events = events.into_iter().cycle().take(count).collect();
        let events = fitting(&steps, events);
        let stream = stream_of(&steps, &events);
        agrees_with_the_naive_decoder(&steps, settings, &stream, &plan);
    }
}

fn decoded_whole(
    steps: &[crate::naive::model::Step],
    settings: Settings,
    stream: &[u8],
) -> Vec<Event> {
    let mut decoder = decoder_of(steps, settings);
    decoder.feed(stream);
    decoder.finish();
    let mut found = Found::new(steps, settings);
    while !found.take_from(&mut decoder) {}
    assert_eq!(found.verdict, None);
    found.events
}

/// One of the many spellings of a framing.
fn spelled(model: &Model, choose: &mut dyn FnMut() -> u8) -> String {
    let mut sides = Vec::new();
    for steps in [&model.client, &model.server] {
        let mut lines: Vec<String> = steps
            .iter()
            .map(|step| spelled_step(step, choose))
            .collect();
        if lines.len() < 16 && choose().is_multiple_of(2) {
            lines.extend(steps.last().map(|step| spelled_step(step, choose)));
        }
        sides.push(lines.join("/"));
    }
    if model.client == model.server && choose().is_multiple_of(2) {
        return sides.swap_remove(0);
    }
    let spaces = ["", " ", "   "];
    let (left, right) = (
        spaces[usize::from(choose() % 3)],
        spaces[usize::from(choose() % 3)],
    );
    format!("{}{left}//{right}{}", sides[0], sides[1])
}

fn spelled_step(step: &crate::naive::model::Step, choose: &mut dyn FnMut() -> u8) -> String {
    use crate::naive::model::{Number, Shape, escape};
    let mut line = step.print_shape();
    if let Shape::Number { number, add, at } = &step.shape {
        if let Number::Bits { bits: ..=8, .. } = number {
            let rest = line.split_off(line.find(['+', '-', '@']).unwrap_or(line.len()));
            let bits = line
                .trim_start_matches('u')
                .trim_end_matches("be")
                .to_owned();
            line = format!(
                "u{bits}{}{rest}",
                if choose().is_multiple_of(2) {
                    "be"
                } else {
                    "le"
                }
            );
        }
        if *at == 0 {
            line += if *add == 0 {
                ["", "+0", "-0"][usize::from(choose() % 3)]
            } else {
                ""
            };
            line += ["", "@0"][usize::from(choose() % 2)];
        }
    }
    let how = choose();
    let escaped = move |bytes: &[u8]| match how % 3 {
        0 => escape(bytes),
        1 => escaped_all(bytes).to_uppercase().replace('X', "x"),
        _ => escaped_all(bytes),
    };
    let mut options = step.print_options(&escaped);
    if !options.is_empty() {
        let turn = usize::from(choose()) % options.len();
        options.rotate_left(turn);
        if choose().is_multiple_of(2) {
            options.reverse();
        }
    }
    for option in options {
        line += ",";
        line += &option;
    }
    line
}

/// Every byte in its longest escape.
fn escaped_all(bytes: &[u8]) -> String {
    let escapes: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    escapes.concat()
}
