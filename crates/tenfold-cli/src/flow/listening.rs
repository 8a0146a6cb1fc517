//! Where a command listens, in words: who can connect there, and what the others can do.

use std::net::IpAddr;

use tenfold::Address;

/// `command` is what is run on another machine, with ADDR in the place of the address.
pub(crate) fn listening(place: &Address, command: &str) -> String {
    let (scheme, host, port) = match place {
        Address::Tcp { host, port } => ("", host, port),
        Address::Tls { host, port } => ("tls://", host, port),
        _ => return format!("listening {place}"),
    };
    let address = match host.parse::<IpAddr>() {
        Ok(ip) if ip.to_canonical().is_loopback() => {
            let all = if ip.is_ipv4() { "0.0.0.0" } else { "[::]" };
            return format!(
                "listening {place} (this machine only; {scheme}{all}:{port} for others)"
            );
        }
        Ok(ip) if ip.is_unspecified() => format!("{scheme}{}:{port}", own_name()),
        _ => place.to_string(),
    };
    let command = command.replace("ADDR", &address);
    format!("listening {place} (from another machine: tenfold {command})")
}

/// What the others may call this machine.
fn own_name() -> String {
    let name = rustix::system::uname();
    match name.nodename().to_str() {
        Ok(name) if !name.is_empty() && name != "localhost" => name.to_owned(),
        _ => "HOST".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(place: &str) -> String {
        listening(&place.parse().unwrap(), "send ADDR")
    }

    #[test]
    fn who_can_connect_is_said() {
        assert_eq!(
            said("127.0.0.1:5000"),
            "listening 127.0.0.1:5000 (this machine only; 0.0.0.0:5000 for others)"
        );
        assert_eq!(
            said("[::1]:5000"),
            "listening [::1]:5000 (this machine only; [::]:5000 for others)"
        );
        assert_eq!(
            said("192.168.1.2:5000"),
            "listening 192.168.1.2:5000 (from another machine: tenfold send 192.168.1.2:5000)"
        );
        assert_eq!(
            said("0.0.0.0:5000"),
            format!(
                "listening 0.0.0.0:5000 (from another machine: tenfold send {}:5000)",
                own_name()
            )
        );
        assert_eq!(
            said("tls://127.0.0.1:5000"),
            "listening tls://127.0.0.1:5000 (this machine only; tls://0.0.0.0:5000 for others)"
        );
        assert_eq!(said("unix:/run/x"), "listening unix:/run/x");
    }
}
