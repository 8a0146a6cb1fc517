use super::*;
use proptest::prelude::*;

fn head(request: &str) -> Head {
    let head = format!("{}\r\n\r\n", request.trim_end().replace('\n', "\r\n"));
    Head::read(head.as_bytes()).unwrap().unwrap().0
}

fn planned(request: &str) -> Result<Request, Problem> {
    let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
    let request = format!("{line} HTTP/1.1\nHost: localhost\n{headers}");
    plan(&head(&request), &Place::default())
}

fn reading(request: &str) -> Reading {
    match planned(request).unwrap().plan {
        Plan::Read(_, reading) => reading,
        other => panic!("{other:?}"),
    }
}

fn status(request: &str) -> u16 {
    match planned(request) {
        Ok(request) => panic!("{request:?}"),
        Err(problem) => problem.status().code(),
    }
}

#[test]
fn each_route_has_its_methods() {
    assert_eq!(planned("GET /").unwrap().plan, Plan::Routes);
    let to_browser = "GET /\nAccept: text/html,application/xhtml+xml,*/*;q=0.8";
    assert_eq!(
        planned(to_browser).unwrap().plan,
        Plan::Page(Asset::index())
    );
    let script = Asset::named("main.js").unwrap();
    assert_eq!(
        planned("GET /page/main.js").unwrap().plan,
        Plan::Page(script)
    );
    assert_eq!(planned("GET /health").unwrap().plan, Plan::Health);
    assert_eq!(planned("HEAD /channels").unwrap().plan, Plan::Channels);
    assert!(planned("HEAD /channels").unwrap().head_only);
    assert_eq!(planned("GET /clients").unwrap().plan, Plan::Clients);
    assert_eq!(
        planned("GET /metrics").unwrap().plan,
        Plan::Metrics(Exposition::Text)
    );
    for (request, expected) in [
        ("GET /nothing", 404),
        ("GET /page/", 404),
        ("GET /page/../main.js", 404),
        ("GET /page/package.json", 404),
        ("GET /channels/", 400),
        ("GET /channels/a/b", 404),
        ("GET //channels", 404),
        ("GET /channels/../clients", 404),
        ("GET /channels/..", 400),
        ("GET /channels/Ticks", 400),
        ("GET /channels/%74icks", 400),
        ("POST /channels\nTenfold: 1", 405),
        ("DELETE /channels/ticks", 405),
        ("GET /health?a=b", 400),
        ("GET /channels?token=tf_x", 400),
        ("GET /channels\nContent-Length: 1", 400),
    ] {
        assert_eq!(status(request), expected, "{request}");
    }
}

#[test]
fn a_reading_has_the_parameters_of_the_page() {
    assert_eq!(reading("GET /channels/ticks"), Reading::default());
    let all = reading(
        "GET /channels/ticks?from=-3&epoch=0123456789abcdef&count=7&until=end&as=sse&on-gap=stop",
    );
    let expected = Reading {
        from: Position::Newest(3),
        epoch: Some(Epoch(0x0123_4567_89ab_cdef)),
        count: Some(7),
        until_end: true,
        form: Form::Sse,
        stops_on_gap: true,
    };
    assert_eq!(all, expected);
    for wrong in [
        "from=",
        "from=sometimes",
        "epoch=1",
        "count=0",
        "count=-1",
        "count=",
        "until=",
        "until=now",
        "as=json",
        "on-gap=go",
        "to=3",
        "from=1&from=2",
    ] {
        assert_eq!(
            status(&format!("GET /channels/ticks?{wrong}")),
            400,
            "{wrong}"
        );
    }
    assert_eq!(status("GET /channels/ticks\nAccept: text/html"), 406);
}

#[test]
fn the_last_event_says_where_events_go_on() {
    let id = "Last-Event-ID: 0123456789abcdef.17";
    let events = reading(&format!("GET /channels/ticks?as=sse&from=first\n{id}"));
    assert_eq!(events.from, Position::Seq(18));
    assert_eq!(events.epoch, Some(Epoch(0x0123_4567_89ab_cdef)));
    assert_eq!(
        reading(&format!("GET /channels/ticks\n{id}")).from,
        Position::Next
    );
    assert_eq!(
        reading("GET /channels/ticks?as=sse&from=last\nLast-Event-ID:").from,
        Position::Last
    );
    for wrong in [
        "17",
        "0123456789abcdef",
        "0123456789abcdef.-1",
        "0123456789abcdef.first",
        "x.1",
        "0123456789abcdef.18446744073709551615",
        "0123456789abcdef.01",
    ] {
        assert_eq!(
            status(&format!(
                "GET /channels/ticks?as=sse\nLast-Event-ID: {wrong}"
            )),
            400,
            "{wrong}"
        );
    }
}

#[test]
fn a_post_says_what_its_body_is_and_whose() {
    let publication = |request: &str| match planned(request).unwrap().plan {
        Plan::Publish(_, publication) => publication,
        other => panic!("{other:?}"),
    };
    let post = "POST /channels/ticks?acks=memory\nTenfold: 1";
    assert_eq!(publication(post).bodies, Bodies::Message);
    assert_eq!(publication(post).acks, Some(Acks::Memory));
    let ndjson = publication(&format!(
        "{post}\nContent-Type: Application/X-NDJSON; charset=utf-8"
    ));
    assert_eq!(ndjson.bodies, Bodies::Ndjson);
    let frames = publication(&format!("{post}\nContent-Type: application/vnd.tenfold"));
    assert_eq!(frames.bodies, Bodies::Frames);
    let named = publication(&format!(
        "{post}\nTenfold-Producer: meter7\nTenfold-First: 12"
    ));
    assert_eq!(named.producer, Some(("meter7".parse().unwrap(), 12)));
    for wrong in [
        "Tenfold-Producer: meter7",
        "Tenfold-First: 12",
        "Tenfold-Producer: a b\nTenfold-First: 1",
        "Tenfold-Producer: a\nTenfold-First: -1",
        "Content-Type: a/b\nContent-Type: a/c",
    ] {
        assert_eq!(status(&format!("{post}\n{wrong}")), 400, "{wrong}");
    }
    assert_eq!(status("POST /channels/ticks?acks=none\nTenfold: 1"), 400);
}

#[test]
fn a_post_that_a_web_page_could_send_is_refused() {
    assert_eq!(status("POST /channels/ticks"), 403);
    assert_eq!(status("POST /channels/ticks\nTenfold: yes"), 403);
    let token = format!("tf_8c1f2d9a_{}", "x".repeat(43));
    let request = planned(&format!(
        "POST /channels/ticks\nAuthorization: bearer {token}"
    ))
    .unwrap();
    assert_eq!(request.token.unwrap().id(), "8c1f2d9a");
}

#[test]
fn what_is_not_a_token_is_refused_and_not_repeated() {
    for wrong in ["Basic YTpi", "Bearer", "Bearer secret", "secret"] {
        let problem = planned(&format!("GET /channels\nAuthorization: {wrong}")).unwrap_err();
        assert_eq!(problem.status(), Status::UNAUTHORIZED, "{wrong}");
        assert!(!problem.to_string().contains("secret"));
    }
}

#[test]
fn a_ticket_is_in_the_place_of_a_token() {
    let request = planned("GET /channels/ticks?as=sse&ticket=abc").unwrap();
    assert_eq!(request.ticket.as_deref(), Some("abc"));
    let token = format!("Authorization: Bearer tf_8c1f2d9a_{}", "x".repeat(43));
    assert_eq!(
        status(&format!("GET /channels/ticks?ticket=abc\n{token}")),
        400
    );
    assert_eq!(status("GET /channels?ticket=abc"), 400);
    assert_eq!(status("POST /channels/ticks?ticket=abc\nTenfold: 1"), 400);
    assert_eq!(
        planned(&format!("POST /tickets\n{token}")).unwrap().plan,
        Plan::Ticket
    );
    assert_eq!(status("GET /tickets"), 405);
    assert_eq!(
        status(&format!("POST /tickets\n{token}\nContent-Length: 1")),
        400
    );
}

#[test]
fn only_an_allowed_origin_gets_a_preflight() {
    let place = Place {
        origins: vec!["https://app.example".to_owned()],
        ..Place::default()
    };
    let ask = |rest: &str| {
        let request = format!("OPTIONS /channels/a HTTP/1.1\nHost: localhost\n{rest}");
        plan(&head(&request), &place)
    };
    let allowed = ask("Origin: https://app.example\nAccess-Control-Request-Method: POST").unwrap();
    assert_eq!(allowed.plan, Plan::Preflight);
    assert_eq!(allowed.origin.as_deref(), Some("https://app.example"));
    for wrong in [
        "Origin: https://evil.example\nAccess-Control-Request-Method: POST",
        "Origin: http://localhost\nAccess-Control-Request-Method: POST",
        "Origin: https://app.example",
        "",
    ] {
        assert_eq!(
            ask(wrong).unwrap_err().status(),
            Status::FORBIDDEN,
            "{wrong}"
        );
    }
}

proptest! {
    #[test]
    fn any_request_is_a_plan_or_a_problem(
        method in prop_oneof![Just("GET"), Just("POST"), Just("HEAD"), Just("OPTIONS"), Just("PUT")],
        path in prop_oneof!["/channels/[a-z.%/]{0,10}", "/[ -~]{0,20}"],
        name in prop_oneof![
            Just("last-event-id"), Just("accept"), Just("authorization"), Just("host"), Just("origin"), Just("content-type"),
            Just("tenfold-first"), Just("content-length"), Just("transfer-encoding")
        ],
        value in "[ -~]{0,30}",
    ) {
        let text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\n{name}: {value}\r\n\r\n");
        if let Ok(Some((head, _))) = Head::read(text.as_bytes())
            && let Err(problem) = plan(&head, &Place::default())
        {
            prop_assert!((400..500).contains(&problem.status().code()));
            serde_json::from_str::<serde_json::Value>(&problem.to_string()).unwrap();
        }
    }
}
