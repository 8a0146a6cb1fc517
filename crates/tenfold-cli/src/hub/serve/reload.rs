//! SIGHUP: settings are read again, and what can be changed while the hub runs is changed.

use tenfold_hub::Hub;
use tracing::{error, info, warn};

use super::Serve;
use super::data::Running;
use super::settings::{Setting, Settings};

/// Reads `serve` again from the same arguments, the environment and the file; or says what is wrong with them.
pub(crate) type Again = fn() -> Result<Box<Serve>, String>;

/// Settings that can be changed while the hub runs.
const CHANGEABLE: &[&str] = &[
    "retain",
    "max-disk",
    "max-connections",
    "max-channels",
    "max-empty-channels",
    "max-producers",
    "max-producers-in-all",
    "request-timeout",
    "header-timeout",
    "stall-timeout",
    "allow-delete",
    "tls-cert",
    "tls-key",
    "tls-client-ca",
    "tls-client",
    "tls-crl",
    "tls-min",
    "drain",
];

/// The settings in force, and how to read them again.
pub(super) struct Reload {
    in_force: Settings,
    again: Option<Again>,
}

impl Reload {
    pub(super) fn new(in_force: &Settings, again: Option<Again>) -> Self {
        Self {
            in_force: in_force.clone(),
            again,
        }
    }

    /// Changes all that can be changed, or nothing if something is wrong, and tells of it.
    pub(super) async fn run(&mut self, hub: &Hub, data: Option<&Running>) {
        let Some(again) = self.again else {
            return;
        };
        let read = again().and_then(|serve| match serve.validate() {
            Ok(checked) => Ok((serve, checked)),
            Err(failure) => Err(failure.to_string()),
        });
        let (next, checked) = match read {
            Ok(next) => next,
            Err(words) => return error!("SIGHUP: no setting is changed: {words}"),
        };
        let path = next.auth.as_deref().filter(|_| checked.policy.is_some());
        hub.change_options(&next.options(&checked, data.is_some()))
            .await;
        if let Some(path) = path {
            info!(policy = %path.display(), "SIGHUP: the policy is read again");
        }
        if checked.tls.is_some() {
            info!("SIGHUP: the files of TLS are read again");
        }
        checked.tell();
        if let Some(data) = data {
            data.change_limits(&next.data);
        }
        self.tell(&next.settings);
    }

    /// Tells what is different, and keeps in mind what is in force now.
    fn tell(&mut self, next: &Settings) {
        let mut is_any = false;
        for now in next.iter() {
            let Some(before) = self
                .in_force
                .find(&now.key)
                .filter(|it| it.values != now.values)
            else {
                continue;
            };
            let (setting, old, new) = (&now.key, shown(before), shown(now));
            is_any = true;
            if CHANGEABLE.contains(&now.key.as_str()) {
                info!(%setting, %old, %new, "SIGHUP: the setting is changed");
                self.in_force.replace(now);
            } else {
                warn!(%setting, %old, %new, "SIGHUP: the setting is not changed; that needs a restart");
            }
        }
        if !is_any {
            info!("SIGHUP: no setting has changed");
        }
    }
}

/// A setting's values, as they are given.
fn shown(setting: &Setting) -> String {
    match &setting.values {
        Some(values) => values.join(" "),
        None => "not set".to_owned(),
    }
}
