//! What is said of files that cannot be used, and of those that can, but not for long.

use std::path::Path;

use rcgen::date_time_ymd;
use tenfold::tls::{ClientOptions, ServerOptions};

use crate::authority::{Authority, Files, good, good_client, set_mode};

fn server_problem(certificate: &Path, key: &Path) -> String {
    let loaded = ServerOptions::new(certificate, key).load();
    loaded.unwrap_err().to_string()
}

/// The words without the directory, which each run names otherwise.
fn short(words: &str, path: &Path) -> String {
    let dir = format!("{}/", path.parent().unwrap().display());
    words.replace(&dir, "")
}

#[test]
fn files_that_fit_are_loaded_and_nothing_is_found() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let server = files.pair("server", ca.sign(&good()));
    let client = files.pair("client", ca.sign(&good_client()));
    let ca_file = files.ca("ca", &ca);
    let crl = files.write("crl.pem", ca.revoke(&[7], 2050));
    let loaded = ServerOptions::new(&server.certificate, &server.key)
        .client_ca(&ca_file)
        .crl(crl)
        .load()
        .unwrap();
    assert_eq!(loaded.findings(), []);
    assert_eq!(
        loaded.config().alpn_protocols,
        [&b"tenfold/1"[..], b"http/1.1"]
    );
    let loaded = ClientOptions::new()
        .ca(ca_file)
        .certificate(client.certificate, client.key)
        .load()
        .unwrap();
    assert_eq!(loaded.findings(), []);
    assert_eq!(loaded.hub_config().alpn_protocols, [b"tenfold/1"]);
    assert!(loaded.config().alpn_protocols.is_empty());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let files = Files::new();
    let pair = files.pair("a", Authority::new("ca").sign(&good()));
    set_mode(&pair.key, 0o640);
    let words = short(&server_problem(&pair.certificate, &pair.key), &pair.key);
    assert_eq!(
        words,
        "a.key: others can read the key (mode 640): chmod 600 a.key"
    );
}

#[test]
fn a_key_and_a_certificate_that_do_not_fit_are_both_named() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let a = files.pair("a", ca.sign(&good()));
    let b = files.pair("b", ca.sign(&good()));
    let words = short(&server_problem(&a.certificate, &b.key), &b.key);
    assert_eq!(
        words,
        "b.key, line 1: the key does not belong to the certificate that it was given with (a.pem, certificate 1 \
         (line 1)): give the key from which that was made, or put its certificate before those of the issuers"
    );
}

#[test]
fn what_is_missing_or_something_else_is_said_with_its_place() {
    let files = Files::new();
    let pair = files.pair("a", Authority::new("ca").sign(&good()));
    let nothing = files.write("nothing", "\nhello\n");
    let cut = files.write("cut", "# mine\n-----BEGIN CERTIFICATE-----\nAAEC\n");
    let der = files.write("der", [0x30, 0x82, 1, 2]);
    let encrypted = files.write(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let bad_key = files.write(
        "bad",
        "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n",
    );
    let key = std::fs::read_to_string(&pair.key).unwrap();
    let two = files.write("two", format!("{key}{key}"));
    let absent = nothing.with_file_name("absent");
    let certificate = |file: &Path| short(&server_problem(file, &pair.key), file);
    let key = |file: &Path| short(&server_problem(&pair.certificate, file), file);
    assert_eq!(
        certificate(&absent),
        "absent: cannot read the certificate: No such file or directory (os error 2)"
    );
    assert_eq!(
        certificate(&nothing),
        "nothing: there is no certificate in this file: one begins with \"-----BEGIN CERTIFICATE-----\""
    );
    assert_eq!(
        certificate(&cut),
        "cut, line 2: there is no \"-----END CERTIFICATE-----\" after this line"
    );
    assert_eq!(
        certificate(&der),
        "der: this looks like DER, and PEM is needed: openssl x509 -inform DER -in FILE"
    );
    assert_eq!(
        certificate(&pair.key),
        "a.key: there is no certificate in this file, which has \"PRIVATE KEY\""
    );
    assert_eq!(
        key(&pair.certificate),
        "a.pem: there is no private key in this file: one begins with \"-----BEGIN PRIVATE KEY-----\""
    );
    assert!(key(&encrypted).starts_with("encrypted, line 1: the key is encrypted"));
    assert!(key(&bad_key).starts_with("bad, line 1: this key cannot be used"));
    assert!(
        key(&two).starts_with("two, line 6: this is a second key"),
        "{}",
        key(&two)
    );
}

#[test]
fn a_ca_that_is_not_one_and_a_list_without_a_ca_are_refused() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let pair = files.pair("a", ca.sign(&good()));
    let ca_text = std::fs::read_to_string(files.ca("ca", &ca)).unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
    let lines = ca_text.lines().count();
    let file = files.write("cas", format!("{ca_text}{bad}"));
    let words = ClientOptions::new()
        .ca(&file)
        .load()
        .unwrap_err()
        .to_string();
    let expected = format!(
        "cas, certificate 2 (line {}): this certificate cannot be that of a CA: ",
        lines + 1
    );
    assert!(short(&words, &file).starts_with(&expected), "{words}");

    let options = || ServerOptions::new(&pair.certificate, &pair.key);
    let words = options().crl(&file).load().unwrap_err().to_string();
    assert!(
        words.contains("means nothing if clients are not asked"),
        "{words}"
    );
    let words = options()
        .client_ca(files.ca("ca", &ca))
        .crl(&file)
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("there is no revocation list in this file"),
        "{words}"
    );
}

#[test]
fn what_has_expired_or_is_not_valid_yet_is_found_and_not_refused() {
    let files = Files::new();
    let ca = Authority::new("ca");
    let mut old = good();
    old.not_before = date_time_ymd(2020, 1, 1);
    old.not_after = date_time_ymd(2021, 1, 1);
    let mut young = good_client();
    young.not_before = date_time_ymd(2090, 1, 1);
    young.not_after = date_time_ymd(2091, 1, 1);
    let server = files.pair("server", ca.sign(&old));
    let client = files.pair("client", ca.sign(&young));
    let crl = files.write("crl", ca.revoke(&[1], 2026));
    let loaded = ServerOptions::new(&server.certificate, &server.key)
        .client_ca(files.ca("ca", &ca))
        .crl(&crl)
        .load()
        .unwrap();
    let found: Vec<String> = loaded
        .findings()
        .iter()
        .map(|finding| short(&finding.to_string(), &crl))
        .collect();
    assert_eq!(
        found,
        [
            "server.pem, certificate 1 (line 1): the certificate has expired on 2021-01-01T00:00:00Z, and is \
             refused by whoever checks it",
            "crl, list 1 (line 1): a newer list was to come by 2026-01-01T00:00:00Z: certificates revoked since \
             are accepted"
        ]
    );
    let loaded = ClientOptions::new()
        .ca(files.ca("ca", &ca))
        .certificate(client.certificate, client.key)
        .load()
        .unwrap();
    let found = loaded.findings()[0].to_string();
    assert!(
        found.contains("the certificate is not valid before 2090-01-01T00:00:00Z"),
        "{found}"
    );
}
