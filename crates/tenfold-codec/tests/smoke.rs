//! smoke
use tenfold_codec::*;
#[test]
fn captures() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/captures/");
    let tsv = std::fs::read_to_string(format!("{dir}vectors.tsv")).unwrap();
    for line in tsv.lines().skip(1) {
        let f: Vec<&str> = line.split('\t').collect();
        let framing: Framing = f[1].parse().unwrap();
        let bytes = std::fs::read(format!("{dir}{}", f[0])).unwrap();
        for chunk in [bytes.len(), 1, 7] {
            for mode in 0..2 {
                let mut d = Decoder::new(framing.client());
                let mut e = Encoder::new(framing.client());
                let mut out = Vec::new();
                let mut lens = vec![];
                let mut err = None;
                let mut on = |ev: Event<'_>| match ev {
                    Event::Message(m) => {
                        lens.push(m.len().to_string());
                        e.encode(m, &mut out).unwrap();
                    }
                    Event::Mark(n) => {
                        lens.push(format!("mark{n}"));
                        e.mark(n, &mut out).unwrap();
                    }
                    _ => panic!(),
                };
                'a: for c in bytes.chunks(chunk) {
                    if mode == 0 {
                        d.feed(c);
                        loop {
                            match d.next_event() {
                                Ok(Some(ev)) => on(ev),
                                Ok(None) => break,
                                Err(x) => {
                                    err = Some(x);
                                    break 'a;
                                }
                            }
                        }
                    } else {
                        let mut c = d.chunk(c);
                        loop {
                            match c.next_event() {
                                Ok(Some(ev)) => on(ev),
                                Ok(None) => break,
                                Err(x) => {
                                    err = Some(x);
                                    break 'a;
                                }
                            }
                        }
                    }
                }
                d.finish();
                if err.is_none() {
                    err = d.next_event().err();
                }
                assert_eq!(lens.join(","), f[3], "{line} {chunk} {mode}");
                assert_eq!(err.is_some(), f[4] != "0", "{line} {chunk} {err:?}");
                if let Some(e) = err {
                    println!("{e}");
                    assert_eq!(
                        d.rest().len(),
                        f[4].parse::<usize>().unwrap().min(d.rest().len())
                    );
                }
                if f[5] == "yes" {
                    assert!(out == bytes, "{line}");
                }
            }
        }
    }
}
