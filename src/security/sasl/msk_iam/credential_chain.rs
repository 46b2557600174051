//! `CredentialChain`: where AWS's keys come from, in the order of its own libraries.
//!
//! Owns: the order, the questions to STS and to the metadata services. Must not know: what the keys are for.
//! Threads: a worker's; blocks. What the environment and files say is read anew each time.
//! Holds: keys go only to AWS's own names, to where the environment says, and to addresses of this machine.
//! Source: `MSKCredentialProvider`, and the default chain of AWS's SDK for Java.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::aws_answers::{keys_of_json, keys_of_xml};
use super::aws_identity::{AwsIdentity, AwsKeys};
use super::aws_profiles::AwsProfiles;
use super::sigv4::{SignedRequest, Signing, hex_sha256};
use crate::error::Error;
use crate::escape::Escaped;
use crate::secret::Secret;
use crate::security::sasl::form::form_encoded;
use crate::security::sasl::http_client::{HttpClient, HttpMethod, HttpQuestion, shown_url};
use crate::security::sasl::login_settings::JaasOptions;
use crate::security::sasl::oauthbearer::read_secret_file;
use crate::security::sasl::refreshing_login::{CredentialSource, NoCredential};

/// What `sasl.jaas.config` says.
#[derive(Debug, Default)]
pub(super) struct AwsOptions {
    profile: Option<String>,
    role: Option<AwsRole>,
    /// The keys that the role is assumed with; otherwise the chain's.
    role_keys: Option<AwsKeys>,
    sts_region: Option<String>,
    no_default: bool,
}

/// A role to be assumed.
#[derive(Debug, Clone)]
struct AwsRole {
    arn: String,
    session_name: String,
    external_id: Option<String>,
}

impl AwsOptions {
    pub(super) fn read(options: &JaasOptions) -> Result<AwsOptions, Error> {
        let text = |name: &str| {
            let value = options.get(name)?.expose().trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let unknown =
            options.keys().find(|name| name.starts_with("aws") && !OPTIONS.contains(&name.as_str()));
        if let Some(name) = unknown {
            let text = format!(
                "sasl.jaas.config: the option {} is not supported; supported are {}",
                Escaped(name),
                OPTIONS.join(", ")
            );
            return Err(Error::config(text));
        }
        let role = text("awsRoleArn").map(|arn| AwsRole {
            arn,
            session_name: text("awsRoleSessionName").unwrap_or_else(|| SESSION_NAME.to_owned()),
            external_id: text("awsRoleExternalId"),
        });
        let secret = |name: &str| options.get(name).cloned();
        let role_keys = text("awsRoleAccessKeyId").zip(secret("awsRoleSecretAccessKey"));
        let role_keys = role_keys.map(|(access_key_id, secret_access_key)| AwsKeys {
            access_key_id,
            secret_access_key,
            session_token: secret("awsRoleSessionToken"),
            expires_at: None,
        });
        Ok(AwsOptions {
            profile: text("awsProfileName"),
            role,
            role_keys,
            sts_region: text("awsStsRegion"),
            no_default: text("awsAddDefaultProviders").is_some_and(|value| value != "true"),
        })
    }
}

/// Where keys come from.
pub(super) struct CredentialChain {
    options: AwsOptions,
    http: ChainClients,
    environment: Environment,
}

/// The clients by which services are asked.
#[derive(Debug, Clone)]
pub(super) struct ChainClients {
    /// AWS's services.
    pub(super) outside: HttpClient,
    /// This machine's, which answers at once or not at all, and never through a proxy.
    pub(super) inside: HttpClient,
}

/// The values of variables.
type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A place where keys may be.
type KeyPlace = fn(&CredentialChain) -> Result<Option<AwsKeys>, String>;

impl CredentialChain {
    pub(super) fn new(options: AwsOptions, http: ChainClients) -> CredentialChain {
        let environment = Box::new(|name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()));
        CredentialChain { options, http, environment }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name)
    }

    /// What the options say, and then the default places, until keys are found.
    fn keys(&self) -> Result<AwsKeys, String> {
        let mut reasons = Vec::new();
        if let Some(profile) = &self.options.profile {
            match self.keys_of_profile(profile, 0) {
                Ok(keys) => return Ok(keys),
                Err(reason) => reasons.push(reason),
            }
        }
        if let Some(role) = &self.options.role {
            let base = self.options.role_keys.clone().map_or_else(|| self.default_keys(), Ok);
            match base.and_then(|keys| self.assume(role, &keys)) {
                Ok(keys) => return Ok(keys),
                Err(reason) => reasons.push(reason),
            }
        }
        if self.options.no_default && !reasons.is_empty() {
            return Err(reasons.join("; "));
        }
        self.default_keys().map_err(|reason| {
            reasons.push(reason);
            reasons.join("; ")
        })
    }

    fn default_keys(&self) -> Result<AwsKeys, String> {
        let mut reasons = Vec::new();
        for (place, keys) in PLACES {
            match keys(self) {
                Ok(Some(keys)) => return Ok(keys),
                Ok(None) => {}
                Err(reason) => reasons.push(format!("{place}: {reason}")),
            }
        }
        if reasons.is_empty() {
            let places: Vec<&str> = PLACES.iter().map(|(place, _)| *place).collect();
            reasons.push(format!("there are none in {}", places.join(", ")));
        }
        Err(reasons.join("; "))
    }

    fn of_environment(&self) -> Result<Option<AwsKeys>, String> {
        let id = self.variable("AWS_ACCESS_KEY_ID").or_else(|| self.variable("AWS_ACCESS_KEY"));
        let secret = self.variable("AWS_SECRET_ACCESS_KEY").or_else(|| self.variable("AWS_SECRET_KEY"));
        match (id, secret) {
            (Some(access_key_id), Some(secret)) => Ok(Some(AwsKeys {
                access_key_id,
                secret_access_key: Secret::from(secret),
                session_token: self.variable("AWS_SESSION_TOKEN").map(Secret::from),
                expires_at: None,
            })),
            (Some(_), None) => Err("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not".to_owned()),
            (None, _) => Ok(None),
        }
    }

    /// What Kubernetes gives to the accounts of its services.
    fn of_web_identity(&self) -> Result<Option<AwsKeys>, String> {
        let file = self.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
        let Some((file, arn)) = file.zip(self.variable("AWS_ROLE_ARN")) else { return Ok(None) };
        let session_name = self.variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned());
        let role = AwsRole { arn, session_name, external_id: None };
        self.assume_with_token(&role, &PathBuf::from(file)).map(Some)
    }

    fn of_profile(&self) -> Result<Option<AwsKeys>, String> {
        match self.variable("AWS_PROFILE") {
            Some(profile) => self.keys_of_profile(&profile, 0).map(Some),
            None if self.profiles().has("default") => self.keys_of_profile("default", 0).map(Some),
            None => Ok(None),
        }
    }

    fn profiles(&self) -> AwsProfiles {
        let home = self.variable("HOME").or_else(|| self.variable("USERPROFILE")).unwrap_or_default();
        let mut profiles = AwsProfiles::default();
        for (variable, file, is_config) in
            [("AWS_SHARED_CREDENTIALS_FILE", "credentials", false), ("AWS_CONFIG_FILE", "config", true)]
        {
            let path = self.variable(variable).map(PathBuf::from);
            let path = path.unwrap_or_else(|| PathBuf::from(&home).join(".aws").join(file));
            // Neither file has to be there.
            if let Ok(text) = read_secret_file(&path, variable) {
                profiles.add(&text, is_config);
            }
        }
        profiles
    }

    /// A profile's keys, or those of the role that it names; `depth` ends circles.
    fn keys_of_profile(&self, profile: &str, depth: u32) -> Result<AwsKeys, String> {
        let profiles = self.profiles();
        let shown = Escaped(profile);
        if !profiles.has(profile) {
            return Err(format!("there is no profile {shown} in AWS's files"));
        }
        if depth > MOST_PROFILES {
            return Err(format!("the profile {shown} is the source of itself"));
        }
        let text = |name| profiles.text(profile, name).map(str::to_owned);
        if let Some(arn) = text("role_arn") {
            let session_name = text("role_session_name").unwrap_or_else(|| SESSION_NAME.to_owned());
            let role = AwsRole { arn, session_name, external_id: text("external_id") };
            if let Some(file) = text("web_identity_token_file") {
                return self.assume_with_token(&role, &PathBuf::from(file));
            }
            let keys = match (text("source_profile"), text("credential_source").as_deref()) {
                (Some(source), _) if source == profile => static_keys(&profiles, profile),
                (Some(source), _) => self.keys_of_profile(&source, depth + 1),
                (None, Some("Environment")) => required(self.of_environment()),
                (None, Some("EcsContainer")) => required(self.of_container()),
                (None, Some("Ec2InstanceMetadata")) => required(self.of_machine()),
                (None, other) => {
                    let other = other.map_or_else(String::new, |other| format!(", but {}", Escaped(other)));
                    Err(format!(
                        "the profile {shown} has a role_arn and neither source_profile nor a known credential_source{other}"
                    ))
                }
            };
            return self.assume(&role, &keys?);
        }
        static_keys(&profiles, profile)
    }

    fn assume(&self, role: &AwsRole, keys: &AwsKeys) -> Result<AwsKeys, String> {
        let mut body = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn={}&RoleSessionName={}",
            *form_encoded(&role.arn),
            *form_encoded(&role.session_name)
        );
        if let Some(id) = &role.external_id {
            body.push_str("&ExternalId=");
            body.push_str(&form_encoded(id));
        }
        let (url, region) = self.sts();
        let signing = Signing { keys, region: &region, service: "sts", now: SystemTime::now() };
        let (time, host) = (signing.time(), host_of(&url).to_owned());
        let mut headers =
            vec![("content-type", FORM), ("host", host.as_str()), ("x-amz-date", time.as_str())];
        headers.extend(keys.session_token.as_ref().map(|token| ("x-amz-security-token", token.expose())));
        let payload_hash = &hex_sha256(body.as_bytes());
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, payload_hash };
        let authorization = signing.authorization(&request);
        let mut sent = vec![
            ("content-type", Secret::from(FORM)),
            ("x-amz-date", Secret::from(time.as_str())),
            ("authorization", Secret::from(authorization)),
        ];
        sent.extend(keys.session_token.clone().map(|token| ("x-amz-security-token", token)));
        self.ask_sts(&url, sent, Secret::from(body))
    }

    fn assume_with_token(&self, role: &AwsRole, file: &std::path::Path) -> Result<AwsKeys, String> {
        let token = read_secret_file(file, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let body = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
            *form_encoded(&role.arn),
            *form_encoded(&role.session_name),
            *form_encoded(token.trim())
        );
        let (url, _) = self.sts();
        self.ask_sts(&url, vec![("content-type", Secret::from(FORM))], Secret::from(body))
    }

    fn ask_sts(
        &self,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
        body: Secret,
    ) -> Result<AwsKeys, String> {
        let question = HttpQuestion { method: HttpMethod::Post, url, headers, body };
        let answer = self.http.outside.ask(&question);
        let keys = answer.and_then(|answer| keys_of_xml(answer.status, &answer.body));
        keys.map_err(|text| format!("{} {text}", shown_url(url)))
    }

    /// Where STS is, and for which region is signed.
    fn sts(&self) -> (String, String) {
        let region = self.options.sts_region.clone().filter(|region| region != "aws-global");
        let region = region.or_else(|| {
            let is_regional =
                self.variable("AWS_STS_REGIONAL_ENDPOINTS").is_some_and(|value| value == "regional");
            self.region()
                .filter(|region| is_regional || region.starts_with("cn-") || region.contains("-gov-"))
        });
        let url = match (self.variable("AWS_ENDPOINT_URL_STS"), &region) {
            (Some(url), _) => format!("{}/", url.trim_end_matches('/')),
            (None, Some(region)) if region.starts_with("cn-") => {
                format!("https://sts.{region}.amazonaws.com.cn/")
            }
            (None, Some(region)) => format!("https://sts.{region}.amazonaws.com/"),
            (None, None) => "https://sts.amazonaws.com/".to_owned(),
        };
        (url, region.unwrap_or_else(|| "us-east-1".to_owned()))
    }

    /// The region that is ours, where a broker's name says none.
    fn region(&self) -> Option<String> {
        let set = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        set.or_else(|| {
            let profile = self.options.profile.clone().or_else(|| self.variable("AWS_PROFILE"));
            self.profiles().text(profile.as_deref().unwrap_or("default"), "region").map(str::to_owned)
        })
    }

    /// What ECS gives to tasks, and EKS to pods.
    fn of_container(&self) -> Result<Option<AwsKeys>, String> {
        let url = match (
            self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ) {
            (Some(path), _) => format!("http://169.254.170.2{path}"),
            (None, Some(url)) => url,
            (None, None) => return Ok(None),
        };
        let host = host_of(&url);
        if !url.starts_with("https://") && !is_of_this_machine(host) {
            return Err(format!(
                "{} is neither of this machine nor HTTPS, and would be told the token",
                shown_url(&url)
            ));
        }
        let token = match self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => {
                let token = read_secret_file(&PathBuf::from(file), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?;
                Some(Secret::from(token.trim()))
            }
            None => self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::from),
        };
        let headers = token.map(|token| ("authorization", token)).into_iter().collect();
        let body = self.ask_inside(HttpMethod::Get, &url, headers)?;
        keys_of_json(body.expose().as_bytes()).map(Some).map_err(|text| format!("{} {text}", shown_url(&url)))
    }

    /// What EC2 gives to machines (IMDSv2).
    fn of_machine(&self) -> Result<Option<AwsKeys>, String> {
        if self.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Ok(None);
        }
        let service = self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let service = service.unwrap_or_else(|| "http://169.254.169.254".to_owned());
        let service = service.trim_end_matches('/');
        let lifetime = vec![("x-aws-ec2-metadata-token-ttl-seconds", Secret::from("300"))];
        let token = self.ask_inside(HttpMethod::Put, &format!("{service}/latest/api/token"), lifetime)?;
        let headers = || vec![("x-aws-ec2-metadata-token", token.clone())];
        let roles = format!("{service}/latest/meta-data/iam/security-credentials/");
        let role = self.ask_inside(HttpMethod::Get, &roles, headers())?;
        let role = role.expose().lines().next().unwrap_or_default().trim();
        let url = format!("{roles}{}", *form_encoded(role));
        let body = self.ask_inside(HttpMethod::Get, &url, headers())?;
        keys_of_json(body.expose().as_bytes()).map(Some).map_err(|text| format!("{} {text}", shown_url(&url)))
    }

    fn ask_inside(
        &self,
        method: HttpMethod,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Secret, String> {
        let question = HttpQuestion { method, url, headers, body: Secret::from("") };
        let answer = self.http.inside.ask(&question).map_err(|text| format!("{} {text}", shown_url(url)))?;
        if answer.status != 200 {
            return Err(format!("{} answered {}", shown_url(url), answer.status));
        }
        Ok(Secret::from(String::from_utf8_lossy(&answer.body).into_owned()))
    }
}

impl CredentialSource<AwsIdentity> for CredentialChain {
    fn fetch(&self) -> Result<AwsIdentity, NoCredential> {
        let keys = self.keys().map_err(NoCredential::passing)?;
        Ok(AwsIdentity { keys, region: self.region() })
    }
}

fn required(keys: Result<Option<AwsKeys>, String>) -> Result<AwsKeys, String> {
    keys?.ok_or_else(|| "its credential_source has none".to_owned())
}

fn static_keys(profiles: &AwsProfiles, profile: &str) -> Result<AwsKeys, String> {
    let shown = Escaped(profile);
    match (profiles.text(profile, "aws_access_key_id"), profiles.get(profile, "aws_secret_access_key")) {
        (Some(id), Some(secret)) => Ok(AwsKeys {
            access_key_id: id.to_owned(),
            secret_access_key: secret.clone(),
            session_token: profiles.get(profile, "aws_session_token").cloned(),
            expires_at: None,
        }),
        _ => {
            let other = ["credential_process", "sso_session", "sso_start_url", "login_session"];
            let other = other.iter().find(|name| profiles.get(profile, name).is_some());
            Err(match other {
                Some(name) => format!(
                    "the profile {shown} has its keys by {name}, which is not supported: aws configure \
                     export-credentials writes them where they can be read"
                ),
                None => format!("the profile {shown} has no aws_access_key_id and aws_secret_access_key"),
            })
        }
    }
}

/// The host in a URL, with its port if that is there.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The addresses of this machine, and those at which its metadata services are.
fn is_of_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || ["localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&name)
}

/// Nothing that is secret.
impl fmt::Debug for CredentialChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialChain").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The default places, in order.
const PLACES: [(&str, KeyPlace); 5] = [
    ("the environment (AWS_ACCESS_KEY_ID)", CredentialChain::of_environment),
    ("the web identity (AWS_WEB_IDENTITY_TOKEN_FILE)", CredentialChain::of_web_identity),
    ("the profile (AWS_PROFILE, or default)", CredentialChain::of_profile),
    (
        "the container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI)",
        CredentialChain::of_container,
    ),
    ("the machine (EC2's metadata service)", CredentialChain::of_machine),
];

/// The options of `IAMLoginModule` that count. Those of retries and of its log are taken, and ours stand in their place.
const OPTIONS: [&str; 12] = [
    "awsProfileName",
    "awsRoleArn",
    "awsRoleSessionName",
    "awsRoleExternalId",
    "awsRoleAccessKeyId",
    "awsRoleSecretAccessKey",
    "awsRoleSessionToken",
    "awsStsRegion",
    "awsAddDefaultProviders",
    "awsMaxRetries",
    "awsMaxBackOffTimeMs",
    "awsDebugCreds",
];

const SESSION_NAME: &str = "aws-msk-iam-auth";
const FORM: &str = "application/x-www-form-urlencoded";
/// The longest chain of profiles that are each the source of the next.
const MOST_PROFILES: u32 = 8;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::security::sasl::http_test_server::{HttpTestServer, test_client};

    const KEYS: &str = r#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"tiger","Token":"lion",
                           "Expiration":"2035-08-30T12:36:00Z"}"#;
    const STS: &str = "<Credentials><AccessKeyId>STS</AccessKeyId><SecretAccessKey>tiger</SecretAccessKey>\
                       <SessionToken>lion</SessionToken><Expiration>2035-08-30T12:36:00Z</Expiration></Credentials>";

    /// A chain in this environment; what is not said is not there.
    fn chain(options: &[(&str, &str)], environment: &[(&str, &str)]) -> CredentialChain {
        let options =
            options.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect();
        let mut variables: BTreeMap<String, String> = BTreeMap::from([
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
            ("HOME".to_owned(), "/nowhere".to_owned()),
        ]);
        variables.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let client = test_client(Duration::from_secs(5));
        let http = ChainClients { outside: client.clone(), inside: client };
        let chain = CredentialChain::new(AwsOptions::read(&options).unwrap(), http);
        CredentialChain { environment: Box::new(move |name| variables.get(name).cloned()), ..chain }
    }

    fn file(name: &str, text: &str) -> String {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    const ENVIRONMENT: [(&str, &str); 3] =
        [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "tiger"), ("AWS_REGION", "eu-north-1")];

    #[test]
    fn keys_of_the_environment_come_first() {
        let identity = chain(&[], &ENVIRONMENT).fetch().unwrap();
        assert_eq!(
            (identity.keys.access_key_id.as_str(), identity.region.as_deref()),
            ("ENV", Some("eu-north-1"))
        );
        assert!(identity.keys.session_token.is_none() && identity.keys.expires_at.is_none());
        let text = chain(&[], &ENVIRONMENT[..1]).fetch().unwrap_err().text;
        assert!(text.contains("AWS_SECRET_ACCESS_KEY is not"), "{text}");
    }

    #[test]
    fn profiles_are_read_and_their_roles_assumed() {
        let credentials = file(
            "credentials",
            "[default]\naws_access_key_id=DEF\naws_secret_access_key=tiger\naws_session_token=lion\n\
             [sso]\nsso_session=x\n",
        );
        let server = HttpTestServer::start(vec![Some((200, STS.to_owned()))]);
        let config = file(
            "config",
            "[default]\nregion=eu-central-1\n[profile role]\nrole_arn=arn:role/x\nsource_profile=default\n\
             external_id=e 1\n[profile circle]\nrole_arn=arn\nsource_profile=circle2\n[profile circle2]\nrole_arn=arn\n\
             source_profile=circle\n",
        );
        let files = [
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_ENDPOINT_URL_STS", server.url.as_str()),
        ];
        let identity = chain(&[], &files).fetch().unwrap();
        assert_eq!(
            (identity.keys.access_key_id.as_str(), identity.region.as_deref()),
            ("DEF", Some("eu-central-1"))
        );
        let identity = chain(&[("awsProfileName", "role")], &files).fetch().unwrap();
        assert_eq!(identity.keys.access_key_id, "STS");
        let asked = server.asked();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Arole%2Fx&RoleSessionName=aws-msk-iam-auth&ExternalId=e+1"
        );
        let head = head.to_lowercase();
        let signed = "signedheaders=content-type;host;x-amz-date;x-amz-security-token, signature=";
        assert!(head.contains("credential=def/") && head.contains("/us-east-1/sts/aws4_request, "), "{head}");
        assert!(head.contains(signed) && head.contains("x-amz-security-token: lion"), "{head}");

        let only =
            |profile| chain(&[("awsProfileName", profile), ("awsAddDefaultProviders", "false")], &files);
        for (profile, named) in [
            ("circle", "source of itself"),
            ("sso", "sso_session, which is not supported"),
            ("none", "no profile none"),
        ] {
            let text = only(profile).fetch().unwrap_err().text;
            assert!(text.contains(named) && !text.contains("tiger"), "{text}");
        }
        assert_eq!(chain(&[("awsProfileName", "none")], &files).fetch().unwrap().keys.access_key_id, "DEF");
    }

    #[test]
    fn a_role_of_the_options_is_assumed_with_its_keys_or_the_chains() {
        for (options, id) in [
            (&[][..], "env"),
            (
                &[
                    ("awsRoleAccessKeyId", "OWN"),
                    ("awsRoleSecretAccessKey", "tiger"),
                    ("awsStsRegion", "eu-west-1"),
                ],
                "own",
            ),
        ] {
            let server = HttpTestServer::start(vec![Some((200, STS.to_owned()))]);
            let options = [&[("awsRoleArn", "arn"), ("awsRoleSessionName", "me")], options].concat();
            let environment = [&ENVIRONMENT[..], &[("AWS_ENDPOINT_URL_STS", server.url.as_str())]].concat();
            let identity = chain(&options, &environment).fetch().unwrap();
            assert_eq!(identity.keys.access_key_id, "STS");
            assert!(identity.keys.expires_at.is_some());
            let asked = server.asked().to_lowercase();
            let region = if id == "own" { "eu-west-1" } else { "us-east-1" };
            assert!(
                asked.contains(&format!("credential={id}/")) && asked.contains(&format!("/{region}/sts/")),
                "{asked}"
            );
            assert!(asked.ends_with("rolearn=arn&rolesessionname=me"), "{asked}");
        }
        let refusal = "<Code>AccessDenied</Code><Message>no</Message>".to_owned();
        let server = HttpTestServer::start(vec![Some((403, refusal))]);
        let options = [("awsRoleArn", "arn"), ("awsAddDefaultProviders", "false")];
        let environment = [&ENVIRONMENT[..], &[("AWS_ENDPOINT_URL_STS", server.url.as_str())]].concat();
        let text = chain(&options, &environment).fetch().unwrap_err().text;
        assert!(text.ends_with("answered 403, AccessDenied: no"), "{text}");
    }

    #[test]
    fn a_web_identity_is_offered_to_sts() {
        let server = HttpTestServer::start(vec![Some((200, STS.to_owned()))]);
        let token = file("web-identity", "ey.J.x\n");
        let environment = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn"),
            ("AWS_ENDPOINT_URL_STS", server.url.as_str()),
        ];
        assert_eq!(chain(&[], &environment).fetch().unwrap().keys.access_key_id, "STS");
        let asked = server.asked();
        assert!(
            asked.ends_with(
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn&RoleSessionName=aws-msk-iam-auth&\
                 WebIdentityToken=ey.J.x"
            ),
            "{asked}"
        );
    }

    #[test]
    fn containers_are_asked_with_their_token() {
        let server = HttpTestServer::start(vec![Some((200, KEYS.to_owned())), Some((403, String::new()))]);
        let url = format!("{}/v1/credentials", server.url);
        let token = file("container-token", "lynx\n");
        let environment = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token),
        ];
        let chain = chain(&[], &environment);
        let identity = chain.fetch().unwrap();
        assert_eq!(identity.keys.access_key_id, "ID");
        let asked = server.asked().to_lowercase();
        assert!(
            asked.starts_with("get /v1/credentials http/1.1") && asked.contains("authorization: lynx"),
            "{asked}"
        );
        let text = chain.fetch().unwrap_err().text;
        assert!(text.contains("answered 403") && !text.contains("lynx"), "{text}");
    }

    #[test]
    fn a_containers_token_goes_to_nobody_else() {
        for url in [
            "http://example.com/x",
            "http://10.0.0.1/x",
            "http://127.0.0.1.example.com/x",
            "http://127.0.0.1@evil/x",
        ] {
            let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)];
            let text = chain(&[], &environment).fetch().unwrap_err().text;
            assert!(text.contains("neither of this machine nor HTTPS"), "{url}: {text}");
        }
    }

    #[test]
    fn machines_are_asked_with_a_token_of_their_service() {
        let answers = ["TOKEN", "my-role\n", KEYS].map(|body| Some((200, body.to_owned())));
        let server = HttpTestServer::start(answers.into());
        let environment = [
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str()),
        ];
        assert_eq!(chain(&[], &environment).fetch().unwrap().keys.access_key_id, "ID");
        let asked: Vec<String> = (0..3).map(|_| server.asked().to_lowercase()).collect();
        assert!(
            asked[0].starts_with("put /latest/api/token ") && asked[0].contains("ttl-seconds: 300"),
            "{asked:?}"
        );
        assert!(asked[1].starts_with("get /latest/meta-data/iam/security-credentials/ "), "{asked:?}");
        assert!(asked[2].starts_with("get /latest/meta-data/iam/security-credentials/my-role "), "{asked:?}");
        assert!(asked[2].contains("x-aws-ec2-metadata-token: token"), "{asked:?}");
    }

    #[test]
    fn without_any_the_places_are_named_and_unknown_options_too() {
        let text = chain(&[], &[]).fetch().unwrap_err().text;
        assert!(text.starts_with("there are none in the environment (AWS_ACCESS_KEY_ID), "), "{text}");
        let options = JaasOptions::from([("awsRegion".to_owned(), Secret::from("tiger"))]);
        let text = AwsOptions::read(&options).unwrap_err().to_string();
        assert!(
            text.contains("awsRegion") && text.contains("awsProfileName") && !text.contains("tiger"),
            "{text}"
        );
    }
}
