//! `AwsProfiles`: the files `~/.aws/credentials` and `~/.aws/config`.
//!
//! Owns: their form. Must not know: what profiles are for.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// The profiles of both files; the values of keys are secrets, so all are.
#[derive(Debug, Default)]
pub(super) struct AwsProfiles(BTreeMap<String, BTreeMap<String, Secret>>);

impl AwsProfiles {
    /// Takes in a file's text; what is there already stays. In the file `config` profiles are called `profile NAME`.
    pub(super) fn add(&mut self, text: &str, is_config: bool) {
        let mut current: Option<String> = None;
        for line in text.lines() {
            let is_nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default().trim();
                let name = match section.strip_prefix("profile") {
                    Some(name) if is_config && name.starts_with([' ', '\t']) => Some(name.trim()),
                    _ => (!is_config || section == "default").then_some(section),
                };
                current = name.map(|name| name.trim_matches('"').to_owned());
            } else if let Some(profile) = current.as_ref().filter(|_| !is_nested)
                && let Some((name, value)) = line.split_once('=')
            {
                let value = value.split(" #").next().unwrap_or_default().trim();
                let profile = self.0.entry(profile.clone()).or_default();
                profile.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| Secret::from(value));
            }
        }
    }

    /// Whether there is such a profile.
    pub(super) fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    /// What it says.
    pub(super) fn get(&self, profile: &str, name: &str) -> Option<&Secret> {
        self.0.get(profile)?.get(name).filter(|value| !value.expose().is_empty())
    }

    /// What it says that is no secret.
    pub(super) fn text(&self, profile: &str, name: &str) -> Option<&str> {
        self.get(profile, name).map(Secret::expose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_make_one_list_of_profiles() {
        let mut profiles = AwsProfiles::default();
        let credentials = "# keys\n[default]\naws_access_key_id = ID\nAWS_SECRET_ACCESS_KEY=se=cr#et\n\n[other] ; x\nregion=a\n";
        profiles.add(credentials, false);
        let config = "[default]\nregion = eu-north-1 # here\ns3 =\n  max_concurrent_requests = 20\n[profile other]\n\
                      region=b\nrole_arn=arn\n[sso-session my]\nregion=c\n[stray]\nregion=d\n";
        profiles.add(config, true);
        for (profile, name, value) in [
            ("default", "aws_access_key_id", Some("ID")),
            ("default", "aws_secret_access_key", Some("se=cr#et")),
            ("default", "region", Some("eu-north-1")),
            ("default", "s3", None),
            ("default", "max_concurrent_requests", None),
            ("other", "region", Some("a")),
            ("other", "role_arn", Some("arn")),
            ("stray", "region", None),
            ("sso-session my", "region", None),
        ] {
            assert_eq!(profiles.text(profile, name), value, "{profile} {name}");
        }
        assert!(profiles.has("other") && !profiles.has("my"));
        assert!(!format!("{profiles:?}").contains("se=cr"));
    }
}
