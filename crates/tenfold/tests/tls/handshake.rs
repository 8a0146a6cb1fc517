//! Two peers in memory: which certificates, versions and protocols are accepted, and what is said of the others.

use std::sync::Arc;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, SerialNumber, date_time_ymd,
};
use tenfold::tls::rustls::pki_types::pem::PemObject;
use tenfold::tls::rustls::pki_types::{CertificateDer, ServerName};
use tenfold::tls::rustls::version::TLS12;
use tenfold::tls::rustls::{
    CipherSuite, ClientConfig, ClientConnection, Connection, Error, HandshakeKind, ProtocolVersion,
    RootCertStore, ServerConnection,
};
use tenfold::tls::{
    Client, ClientCertificates, ClientOptions, Server, ServerOptions, Version, explain,
};

use crate::authority::{Authority, Files, Pair, good, good_client, self_signed};

/// Carries bytes between the two until neither has any. The first error of each side.
fn talk(client: &mut Connection, server: &mut Connection) -> (Option<Error>, Option<Error>) {
    let (mut of_client, mut of_server) = (None, None);
    while client.wants_write() || server.wants_write() {
        carry(client, server, &mut of_server);
        carry(server, client, &mut of_client);
    }
    (of_client, of_server)
}

fn carry(from: &mut Connection, to: &mut Connection, error: &mut Option<Error>) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() && error.is_none() {
        to.read_tls(&mut rest).unwrap();
        *error = to.process_new_packets().err();
    }
}

fn connect(client: &Client, server: &Server, name: &str) -> (Connection, Connection) {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(client.hub_config().clone(), name).unwrap();
    let server = ServerConnection::new(server.config().clone()).unwrap();
    (client.into(), server.into())
}

/// What each side says when the two meet.
fn meet(client: &Client, server: &Server, name: &str) -> (Option<String>, Option<String>) {
    let (mut client, mut server) = connect(client, server, name);
    let (of_client, of_server) = talk(&mut client, &mut server);
    let words = |error: Option<Error>| error.as_ref().map(explain);
    (words(of_client), words(of_server))
}

fn server(pair: &Pair) -> Server {
    ServerOptions::new(&pair.certificate, &pair.key)
        .load()
        .unwrap()
}

#[test]
fn a_good_pair_speaks_tls_1_3_with_aes_128_and_the_hubs_protocol() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let trusting = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    let server = server(&files.pair("a", ca.sign(&good())));
    for name in ["localhost", "127.0.0.1"] {
        let (mut client, mut server) = connect(&trusting, &server, name);
        assert_eq!(talk(&mut client, &mut server), (None, None));
        for side in [&client, &server] {
            assert!(!side.is_handshaking());
            assert_eq!(side.protocol_version(), Some(ProtocolVersion::TLSv1_3));
            let suite = side.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
            assert_eq!(side.alpn_protocol(), Some(&b"tenfold/1"[..]));
        }
    }
}

#[test]
fn each_wrong_certificate_of_a_server_is_refused_with_its_words() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let trusting = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = good();
        change(&mut params);
        params
    };
    let expired = with(&|p| {
        p.not_before = date_time_ymd(2020, 1, 1);
        p.not_after = date_time_ymd(2021, 1, 1);
    });
    let not_yet = with(&|p| p.not_before = date_time_ymd(2090, 1, 1));
    let only_common_name = with(&|p| {
        p.subject_alt_names.clear();
        p.distinguished_name.push(DnType::CommonName, "localhost");
    });
    let other_name = CertificateParams::new(["hub.example".to_owned()]).unwrap();
    let for_clients = with(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let a_ca = with(&|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    for (what, signed, words) in [
        (
            "self-signed",
            self_signed(&good()),
            "its certificate is not from a CA that is trusted here",
        ),
        (
            "of another CA",
            Authority::new("other").sign(&good()),
            "its certificate is not from a CA that is trusted here",
        ),
        (
            "expired",
            ca.sign(&expired),
            "its certificate has expired on 2021-01-01T00:00:00Z",
        ),
        (
            "not valid yet",
            ca.sign(&not_yet),
            "its certificate is not valid before 2090-01-01T00:00:00Z",
        ),
        (
            "a common name only",
            ca.sign(&only_common_name),
            "its certificate has no names in subjectAltName, and was to have localhost (a common name does not count)",
        ),
        (
            "another name",
            ca.sign(&other_name),
            "its certificate is not for localhost, but for hub.example",
        ),
        (
            "wrong use",
            ca.sign(&for_clients),
            "its certificate is for another use (extendedKeyUsage)",
        ),
        ("a CA", ca.sign(&a_ca), "its certificate is that of a CA"),
    ] {
        let server = server(&files.pair("a", signed));
        let (of_client, of_server) = meet(&trusting, &server, "localhost");
        let said = of_client.expect(what);
        assert!(said.starts_with(words), "{what}: {said}");
        let said = of_server.expect(what);
        assert!(said.contains("was shown"), "{what}: {said}");
    }
}

#[test]
fn each_wrong_certificate_of_a_client_is_refused_with_its_words() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let ca_file = files.ca("ca", &ca);
    let mut revoked = good_client();
    revoked.serial_number = Some(SerialNumber::from(7));
    let mut expired = good_client();
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let mut for_servers = good_client();
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let pair = files.pair("server", ca.sign(&good()));
    let options = ServerOptions::new(&pair.certificate, &pair.key)
        .client_ca(&ca_file)
        .crl(files.write("crl", ca.revoke(&[7], 2050)));
    let required = options.load().unwrap();
    let optional = options
        .clients(ClientCertificates::Optional)
        .load()
        .unwrap();
    for (what, signed, words) in [
        (
            "self-signed",
            self_signed(&good_client()),
            "its certificate is not from a CA that is trusted here",
        ),
        (
            "of another CA",
            Authority::new("other").sign(&good_client()),
            "its certificate is not from a CA that is trusted here",
        ),
        (
            "revoked",
            ca.sign(&revoked),
            "its certificate has been revoked",
        ),
        (
            "expired",
            ca.sign(&expired),
            "its certificate has expired on 2021-01-01T00:00:00Z",
        ),
        (
            "wrong use",
            ca.sign(&for_servers),
            "its certificate is for another use (extendedKeyUsage)",
        ),
    ] {
        let shown = files.pair("client", signed);
        let client = ClientOptions::new()
            .ca(&ca_file)
            .certificate(shown.certificate, shown.key)
            .load()
            .unwrap();
        // Who shows a certificate is checked also where none is needed.
        for server in [&required, &optional] {
            let (of_client, of_server) = meet(&client, server, "localhost");
            let said = of_server.expect(what);
            assert!(said.starts_with(words), "{what}: {said}");
            let said = of_client.expect(what);
            assert!(said.contains("was shown"), "{what}: {said}");
        }
    }
    let without = ClientOptions::new().ca(&ca_file).load().unwrap();
    let (of_client, of_server) = meet(&without, &required, "localhost");
    assert!(
        of_server
            .unwrap()
            .starts_with("it has shown no certificate")
    );
    assert!(of_client.unwrap().starts_with("it asks for a certificate"));
    assert_eq!(meet(&without, &optional, "localhost"), (None, None));
    let shown = files.pair("client", ca.sign(&good_client()));
    let good = ClientOptions::new()
        .ca(&ca_file)
        .certificate(shown.certificate, shown.key)
        .load()
        .unwrap();
    assert_eq!(meet(&good, &required, "localhost"), (None, None));
}

#[test]
fn tls_1_2_is_spoken_only_where_both_allow_it() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let pair = files.pair("a", ca.sign(&good()));
    let server = |min| {
        ServerOptions::new(&pair.certificate, &pair.key)
            .min(min)
            .load()
            .unwrap()
    };
    // A device that knows nothing newer.
    let trusting = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    let provider = trusting.config().crypto_provider();
    let mut roots = RootCertStore::empty();
    let ca_file = CertificateDer::from_pem_file(files.ca("ca", &ca)).unwrap();
    roots.add(ca_file).unwrap();
    let device = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let device = Arc::new(device);
    let meet = |server: &Server| {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client: Connection = ClientConnection::new(device.clone(), name).unwrap().into();
        let mut server: Connection = ServerConnection::new(server.config().clone())
            .unwrap()
            .into();
        let errors = talk(&mut client, &mut server);
        (errors, server.protocol_version())
    };
    let (errors, version) = meet(&server(Version::Tls12));
    assert_eq!(
        (errors, version),
        ((None, None), Some(ProtocolVersion::TLSv1_2))
    );
    let ((of_client, of_server), _) = meet(&server(Version::Tls13));
    for said in [of_client.unwrap(), of_server.unwrap()] {
        let said = explain(&said);
        assert!(
            said.starts_with("it speaks another version of TLS"),
            "{said}"
        );
    }
}

#[test]
fn an_offer_of_protocols_without_ours_is_refused_and_none_is_fine() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let trusting = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    let server = server(&files.pair("a", ca.sign(&good())));
    let offer = |protocols: &[&[u8]]| {
        let mut config = trusting.config().as_ref().clone();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client: Connection = ClientConnection::new(config.into(), name).unwrap().into();
        let mut server: Connection = ServerConnection::new(server.config().clone())
            .unwrap()
            .into();
        let errors = talk(&mut client, &mut server);
        (errors, client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(offer(&[]), ((None, None), None));
    assert_eq!(
        offer(&[b"h2", b"http/1.1"]),
        ((None, None), Some(b"http/1.1".to_vec()))
    );
    assert_eq!(
        offer(&[b"http/1.1", b"tenfold/1"]).1,
        Some(b"tenfold/1".to_vec())
    );
    let ((of_client, of_server), _) = offer(&[b"h2", b"mqtt"]);
    assert!(explain(&of_client.unwrap()).starts_with("it does not speak the protocol"));
    assert!(explain(&of_server.unwrap()).starts_with("it offers protocols (ALPN)"));
}

#[test]
fn no_ticket_is_given_so_no_handshake_is_shortened() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let trusting = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    let server = server(&files.pair("a", ca.sign(&good())));
    for _ in 0..2 {
        let (mut client, mut server) = connect(&trusting, &server, "localhost");
        assert_eq!(talk(&mut client, &mut server), (None, None));
        let Connection::Client(client) = &client else {
            unreachable!()
        };
        assert_eq!(client.tls13_tickets_received(), 0);
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
    }
}
