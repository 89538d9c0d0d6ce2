//! Configuration as the AWS CLI reads it: each setting is honoured, refused by name
//! before any request or file, or ignored. These tests cover the settings that
//! `docs/aws-configuration.md` lists.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::future::ready;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::ccinv::{Ccinv, PROGRAM};
use crate::support::fakes::http_server::{HttpServer, whole};
use crate::support::proxy::{Act, Proxy, Reply};
use crate::support::python::{fine, python};
use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use crate::support::tls::TlsFront;
use axum::body::Bytes;
use axum::http::{HeaderValue, Response};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Another account, whose credentials some settings lead to.
const OTHER: &str = "222222222222";
const ROLE: &str = "arn:aws:iam::222222222222:role/reader";

/// The environment variables and profiles of a command.
struct Setup {
    ccinv: Ccinv,
}

impl Setup {
    /// Returns a setup with the endpoints of the test environment only.
    fn at(env: &TestEnv) -> Self {
        let ccinv = Ccinv::at(env)
            .without("AWS_REGION")
            .without("AWS_ACCESS_KEY_ID")
            .without("AWS_SECRET_ACCESS_KEY");
        Self { ccinv }
    }

    fn config(self, text: &str) -> Self {
        self.file("config", text)
    }

    fn file(self, name: &str, text: &str) -> Self {
        let folder = self.ccinv.folder().join(".aws");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), text).expect("written");
        self
    }

    fn with(self, variables: &[(&str, &str)]) -> Self {
        let ccinv = variables
            .iter()
            .fold(self.ccinv, |ccinv, (name, value)| ccinv.with(name, value));
        Self { ccinv }
    }

    /// Returns the account and the region that a scan records.
    async fn scanned(&self, options: &[&str]) -> (String, String) {
        let scan = [&["scan", "--json"], options].concat();
        let summary = self.ccinv.json(&scan).await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let region = text(&summary["listings"][0]["region"]);
        (text(&summary["account"]), region)
    }

    /// Returns the host of the table's requests, as an HTTPS proxy receives it.
    async fn table_host(&self, options: &[&str]) -> String {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", proxy.local_addr().expect("an address"));
        let list = [&["list", "--table", "inventory"], options].concat();
        let mut command = self.ccinv.command(&list);
        let mut process = command.env("HTTPS_PROXY", url).spawn().expect("it starts");
        let (mut stream, _) = proxy.accept().await.expect("it connects");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut request).await.expect("text"), 0);
        }
        process.kill().await.expect("ended");
        let request = String::from_utf8(request).expect("text");
        let host = request.strip_prefix("CONNECT ").expect("a tunnel");
        host.split(':').next().expect("a host").to_owned()
    }
}

/// Returns a default profile with access keys of an account.
fn keys(account: &str) -> String {
    format!(
        "[default]\nregion = {REGION}\naws_access_key_id = {account}\naws_secret_access_key = s\n"
    )
}

// ------------------------------------------------------ honoured settings

#[tokio::test]
async fn profile_sets_credentials_and_region_and_options_override_it() {
    let env = TestEnv::new().await;
    let named = format!(
        "[profile other]\nregion = eu-central-1\naws_access_key_id = {OTHER}\n\
         aws_secret_access_key = s\n"
    );
    let config = format!("{}{named}", keys(ACCOUNT));
    let at = || Setup::at(&env).config(&config);
    let own = [
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    for (variables, options, account, region) in [
        (&[] as &[(&str, &str)], &[] as &[&str], ACCOUNT, REGION),
        (&[("AWS_PROFILE", "other")], &[], OTHER, "eu-central-1"),
        (
            &[("AWS_DEFAULT_PROFILE", "other")],
            &[],
            OTHER,
            "eu-central-1",
        ),
        (&[], &["--profile", "other"], OTHER, "eu-central-1"),
        (
            &[("AWS_PROFILE", "nowhere")],
            &["--profile", "other"],
            OTHER,
            "eu-central-1",
        ),
        // Keys of the environment override a profile, but not the option.
        (&own, &["--profile", "other"], OTHER, "eu-central-1"),
        (
            &[own[0], own[1], ("AWS_PROFILE", "other")],
            &[],
            ACCOUNT,
            "eu-central-1",
        ),
        (&[("AWS_REGION", "us-east-1")], &[], ACCOUNT, "us-east-1"),
        (
            &[("AWS_DEFAULT_REGION", "us-east-1")],
            &[],
            ACCOUNT,
            "us-east-1",
        ),
        (
            &[("AWS_REGION", "us-east-1")],
            &["--region", "us-east-2"],
            ACCOUNT,
            "us-east-2",
        ),
        (
            &[],
            &["--region", "us-east-2", "--regions", "us-west-1"],
            ACCOUNT,
            "us-west-1",
        ),
    ] {
        let got = at().with(variables).scanned(options).await;
        let wanted = (account.to_owned(), region.to_owned());
        assert_eq!(got, wanted, "{variables:?} {options:?}");
    }
    // AWS options are also accepted before the command's name.
    let before = ["--profile", "other", "scan", "--json"];
    assert_eq!(at().ccinv.json(&before).await["account"], OTHER);
    let files = Setup::at(&env);
    std::fs::write(files.ccinv.folder().join("c"), &config).expect("written");
    std::fs::write(files.ccinv.folder().join("k"), keys(OTHER)).expect("written");
    let files = files.with(&[
        ("AWS_CONFIG_FILE", "c"),
        ("AWS_SHARED_CREDENTIALS_FILE", "k"),
    ]);
    // The credentials file overrides the configuration file.
    assert_eq!(files.scanned(&[]).await.0, OTHER);
}

#[tokio::test]
async fn endpoint_settings_apply_to_the_table_client() {
    let env = TestEnv::new().await;
    let at = |profile: &str, variables: &[(&str, &str)]| {
        let config = format!("{}{profile}\n", keys(ACCOUNT));
        let setup = Setup::at(&env).config(&config);
        let ccinv = setup.ccinv.without("AWS_ENDPOINT_URL_DYNAMODB");
        Setup { ccinv }.with(variables)
    };
    let id = "aws_account_id = 123456789012";
    for (profile, variables, host) in [
        (
            "",
            &[] as &[(&str, &str)],
            "dynamodb.eu-west-1.amazonaws.com",
        ),
        (
            "use_fips_endpoint = true",
            &[],
            "dynamodb-fips.eu-west-1.amazonaws.com",
        ),
        (
            "",
            &[("AWS_USE_FIPS_ENDPOINT", "true")],
            "dynamodb-fips.eu-west-1.amazonaws.com",
        ),
        (
            "use_dualstack_endpoint = true",
            &[],
            "dynamodb.eu-west-1.api.aws",
        ),
        (
            "",
            &[("AWS_USE_DUALSTACK_ENDPOINT", "true")],
            "dynamodb.eu-west-1.api.aws",
        ),
        ("endpoint_url = https://e.example", &[], "e.example"),
        (
            "",
            &[("AWS_ENDPOINT_URL", "https://e.example")],
            "e.example",
        ),
        (
            "",
            &[("AWS_ENDPOINT_URL_DYNAMODB", "https://d.example")],
            "d.example",
        ),
        (
            "services = s\n[services s]\ndynamodb =\n  endpoint_url = https://s.example",
            &[],
            "s.example",
        ),
        (
            "endpoint_url = https://e.example\nignore_configured_endpoint_urls = true",
            &[],
            "dynamodb.eu-west-1.amazonaws.com",
        ),
        (
            "endpoint_url = https://e.example",
            &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
            "dynamodb.eu-west-1.amazonaws.com",
        ),
        (
            "",
            &[
                ("AWS_ACCESS_KEY_ID", "x"),
                ("AWS_SECRET_ACCESS_KEY", "s"),
                ("AWS_ACCOUNT_ID", ACCOUNT),
            ],
            "123456789012.ddb.eu-west-1.amazonaws.com",
        ),
        (id, &[], "123456789012.ddb.eu-west-1.amazonaws.com"),
        (
            &format!("{id}\naccount_id_endpoint_mode = disabled"),
            &[],
            "dynamodb.eu-west-1.amazonaws.com",
        ),
        (
            id,
            &[("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")],
            "dynamodb.eu-west-1.amazonaws.com",
        ),
    ] {
        let actual = at(profile, variables).table_host(&[]).await;
        assert_eq!(actual, host, "{profile:?} {variables:?}");
    }
    let option = at("", &[]).table_host(&["--region", "us-east-1"]).await;
    assert_eq!(option, "dynamodb.us-east-1.amazonaws.com");
}

#[tokio::test]
async fn role_is_assumed_with_the_settings_of_its_profile() {
    let env = TestEnv::new().await;
    let sts = Sts::start().await;
    let base = format!(
        "[profile base]\naws_access_key_id = {ACCOUNT}\naws_secret_access_key = s\n\
         [default]\nregion = {REGION}\nrole_arn = {ROLE}\n"
    );
    let endpoint = [("AWS_ENDPOINT_URL_STS", sts.endpoint.as_str())];
    let environment = [
        ("AWS_PROFILE", "default"),
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    for (profile, variables, sent) in [
        ("source_profile = base", &[] as &[(&str, &str)], "RoleArn="),
        (
            "source_profile = base\nexternal_id = e",
            &[],
            "ExternalId=e",
        ),
        (
            "source_profile = base\nrole_session_name = me",
            &[],
            "RoleSessionName=me",
        ),
        (
            "source_profile = base\nduration_seconds = 900",
            &[],
            "DurationSeconds=900",
        ),
    ] {
        let setup = Setup::at(&env).config(&format!("{base}{profile}\n"));
        let setup = setup.with(&endpoint).with(variables);
        assert_eq!(setup.scanned(&[]).await.0, OTHER, "{profile}");
        let asked = sts.take("AssumeRole");
        assert_eq!(asked.len(), 1, "{profile}: once a command");
        assert!(asked[0].contains(sent), "{profile}: {asked:?}");
    }
    let named = Setup::at(&env)
        .config(&format!("{base}credential_source = Environment\n"))
        .with(&endpoint)
        .with(&environment[1..]);
    assert_eq!(named.scanned(&["--profile", "default"]).await.0, OTHER);
    // A chain of roles, and a profile with keys of its own as its source.
    let chained = format!(
        "{base}source_profile = middle\n[profile middle]\nrole_arn = {ROLE}-1\n\
         source_profile = base\n"
    );
    sts.take("AssumeRole");
    let chained = Setup::at(&env).config(&chained).with(&endpoint);
    assert_eq!(chained.scanned(&[]).await.0, OTHER);
    let asked = sts.take("AssumeRole");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].contains("reader-1"),
        "the inner one first: {asked:?}"
    );
    let itself = format!("{base}source_profile = default\naws_access_key_id = {ACCOUNT}\n");
    let itself = Setup::at(&env)
        .config(&format!("{itself}aws_secret_access_key = s\n"))
        .with(&endpoint);
    assert_eq!(itself.scanned(&[]).await.0, OTHER);
}

#[tokio::test]
async fn mfa_code_is_prompted_once_on_a_terminal() {
    let env = TestEnv::new().await;
    let sts = Sts::start().await;
    let profile = format!(
        "[profile base]\naws_access_key_id = {ACCOUNT}\naws_secret_access_key = s\n[default]\n\
         region = {REGION}\nrole_arn = {ROLE}\nsource_profile = base\n\
         mfa_serial = arn:aws:iam::123456789012:mfa/me\n"
    );
    let setup = Setup::at(&env).config(&profile);
    let elsewhere = setup.ccinv.run(&["scan"]).await;
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    let complaint = elsewhere.complaint();
    for part in [
        "profile default",
        "mfa_serial arn:aws:iam::123456789012:mfa/me",
        "terminal",
    ] {
        assert!(complaint.contains(part), "{complaint}");
    }
    let db = setup.ccinv.folder().join("mfa.db");
    let home = setup.ccinv.folder().to_str().expect("UTF-8");
    let arguments = [
        "--type",
        "123456",
        "200",
        "/usr/bin/env",
        &format!("HOME={home}"),
        "AWS_EC2_METADATA_DISABLED=true",
        &format!("AWS_ENDPOINT_URL_STS={}", sts.endpoint),
        &format!(
            "AWS_ENDPOINT_URL_CODECONNECTIONS={}",
            env.service.endpoint()
        ),
        PROGRAM,
        "scan",
        "--db",
        db.to_str().expect("UTF-8"),
    ];
    let shown = fine(python("terminal.py", &arguments).await);
    let prompt = "Enter MFA code for arn:aws:iam::123456789012:mfa/me: ";
    assert_eq!(shown.matches(prompt).count(), 1, "{shown}");
    assert!(shown.contains(&format!("account {OTHER}")), "{shown}");
    let asked = sts.take("AssumeRole");
    assert_eq!(asked.len(), 1, "a code is good for one use: {asked:?}");
    assert!(asked[0].contains("TokenCode=123456"), "{asked:?}");
    assert!(asked[0].contains("SerialNumber=arn%3Aaws"), "{asked:?}");
}

#[tokio::test]
async fn process_container_and_instance_credentials_are_found() {
    let env = TestEnv::new().await;
    let providers = credential_providers().await;
    let json =
        format!("{{\"Version\": 1, \"AccessKeyId\": \"{OTHER}\", \"SecretAccessKey\": \"s\"}}");
    let setup = Setup::at(&env);
    let counted = setup.ccinv.folder().join("count");
    let script = setup.ccinv.folder().join("p.sh");
    let text = format!(
        "#!/bin/sh\necho x >> {}\necho '{json}'\n",
        counted.display()
    );
    std::fs::write(&script, text).expect("written");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).expect("set");
    let process = format!("credential_process = {}", script.display());
    let process = setup.config(&format!("[default]\nregion = {REGION}\n{process}\n"));
    assert_eq!(process.scanned(&[]).await.0, OTHER);
    let runs = std::fs::read_to_string(counted).expect("it ran");
    assert_eq!(runs, "x\n", "once, because it may prompt a person");

    let region = ("AWS_REGION", REGION);
    let uri = format!("{}/container", providers.endpoint);
    let container = [region, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str())];
    assert_eq!(Setup::at(&env).with(&container).scanned(&[]).await.0, OTHER);
    let guarded = format!("{}/guarded", providers.endpoint);
    let guarded = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", guarded.as_str());
    for token in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic t"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ".aws/container"),
    ] {
        let setup = Setup::at(&env).file("container", "Basic t");
        let setup = setup.with(&[region, guarded, token]);
        assert_eq!(setup.scanned(&[]).await.0, OTHER, "{token:?}");
    }
    let instance = [
        region,
        ("AWS_EC2_METADATA_DISABLED", "false"),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            providers.endpoint.as_str(),
        ),
    ];
    assert_eq!(Setup::at(&env).with(&instance).scanned(&[]).await.0, OTHER);
    let profile = format!(
        "[default]\nregion = {REGION}\nec2_metadata_service_endpoint = {}\n\
         ec2_metadata_service_endpoint_mode = IPv4\n",
        providers.endpoint
    );
    let mode = ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4");
    let instance = Setup::at(&env).config(&profile).with(&[instance[1], mode]);
    assert_eq!(instance.scanned(&[]).await.0, OTHER);
    // A profile without credentials falls back to the other providers.
    let bare = Setup::at(&env).config("[profile bare]\nregion = eu-west-1\n");
    let bare = bare.with(&container);
    assert_eq!(bare.scanned(&["--profile", "bare"]).await.0, OTHER);
}

#[tokio::test]
async fn web_identity_session_and_sso_tokens_are_used() {
    let env = TestEnv::new().await;
    let sts = Sts::start().await;
    let providers = credential_providers().await;
    let at = || Setup::at(&env).file("token", "a-token");
    let endpoints = [
        ("AWS_REGION", REGION),
        ("AWS_ENDPOINT_URL_STS", sts.endpoint.as_str()),
        ("AWS_ENDPOINT_URL_SSO", providers.endpoint.as_str()),
    ];
    let variables = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "me"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", ".aws/token"),
    ];
    let profile = format!(
        "[default]\nrole_arn = {ROLE}\nrole_session_name = me\n\
         web_identity_token_file = .aws/token\n"
    );
    let by_variables = at().with(&endpoints).with(&variables);
    let by_profile = at().config(&profile).with(&endpoints);
    for setup in [by_variables, by_profile] {
        assert_eq!(setup.scanned(&[]).await.0, OTHER);
        let asked = sts.take("AssumeRoleWithWebIdentity");
        assert_eq!(asked.len(), 1, "{asked:?}");
        for part in ["WebIdentityToken=a-token", "RoleSessionName=me"] {
            assert!(asked[0].contains(part), "{asked:?}");
        }
    }

    let session = format!("{}aws_session_token = mine\n", keys(OTHER));
    at().config(&session).with(&endpoints).scanned(&[]).await;
    let asked = sts.take("GetCallerIdentity");
    assert!(asked[0].ends_with("&token=mine"), "{asked:?}");
    let variables = [
        ("AWS_ACCESS_KEY_ID", OTHER),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "mine"),
    ];
    at().with(&endpoints).with(&variables).scanned(&[]).await;
    let asked = sts.take("GetCallerIdentity");
    assert!(asked[0].ends_with("&token=mine"), "{asked:?}");

    // The cache file of `aws sso login`, named by the SHA-1 of the session's name.
    let sso = "[default]\nsso_session = s\nsso_account_id = 222222222222\nsso_role_name = r\n\
               [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://e.example\n";
    let setup = at().config(sso).with(&endpoints);
    let cache = setup.ccinv.folder().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).expect("a folder");
    let token = "{\"accessToken\": \"t\", \"expiresAt\": \"2100-01-01T00:00:00Z\"}";
    let name = "a0f1490a20d0211c997b44bc357e1972deab8ae3.json";
    std::fs::write(cache.join(name), token).expect("written");
    assert_eq!(setup.scanned(&[]).await.0, OTHER);
}

#[tokio::test]
async fn number_of_attempts_follows_settings() {
    let env = TestEnv::new().await;
    for (profile, variables, requests) in [
        ("", &[] as &[(&str, &str)], 3),
        ("max_attempts = 1", &[], 1),
        ("max_attempts = 2\nretry_mode = adaptive", &[], 2),
        (
            "max_attempts = 3",
            &[("AWS_MAX_ATTEMPTS", "1"), ("AWS_RETRY_MODE", "standard")],
            1,
        ),
    ] {
        let sts = Proxy::start(env.service.endpoint(), |_| {
            Act::Reply(Reply::new(500, "text/xml", "<ErrorResponse/>"))
        });
        let sts = sts.await;
        let setup = Setup::at(&env).config(&format!("{}{profile}\n", keys(ACCOUNT)));
        let setup = setup.with(&[("AWS_ENDPOINT_URL_STS", sts.endpoint.as_str())]);
        let done = setup.with(variables).ccinv.run(&["scan"]).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert_eq!(sts.count(), requests, "{profile:?} {variables:?}: {done:?}");
    }
}

#[tokio::test]
async fn ca_bundle_is_trusted_by_every_client_and_the_function() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let service = TlsFront::start(env.service.endpoint()).await;
    let table = TlsFront::start(&env.table_endpoint).await;
    let bundle = service.folder.path().join("bundle.pem");
    let both = format!("# two\n{}{}", service.certificate(), table.certificate());
    std::fs::write(&bundle, both).expect("written");
    let bundle = bundle.to_str().expect("UTF-8");
    let at = |profile: &str| {
        let config = format!("{}{profile}\n", keys(ACCOUNT));
        Setup::at(&env).config(&config).with(&[
            ("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint),
            ("AWS_ENDPOINT_URL_STS", &service.endpoint),
            ("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint),
        ])
    };
    let scan = ["--table", env.table.name().as_str()];
    let variable = at("").with(&[("AWS_CA_BUNDLE", bundle)]);
    assert_eq!(variable.scanned(&scan).await.0, ACCOUNT);
    let profile = at(&format!("ca_bundle = {bundle}"));
    assert_eq!(profile.scanned(&scan).await.0, ACCOUNT);
    let untrusted = at("").ccinv.run(&[&["scan"], &scan[..]].concat()).await;
    assert_eq!(untrusted.code, 2, "{untrusted:?}");
    assert!(untrusted.stderr.contains("certificate"), "{untrusted:?}");

    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        .with("AWS_CA_BUNDLE", bundle);
    let function = Emulator::start(environment).await;
    let answer = function.invoke(&serde_json::json!({})).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
}

// ------------------------------------------------------ refused settings

/// A configuration, variables, and the expected parts of the error.
type Refused<'a> = (String, Vec<(&'a str, &'a str)>, Vec<&'a str>);

#[tokio::test]
async fn unusable_setting_is_named_before_any_request_or_file() {
    let env = TestEnv::new().await;
    let providers = credential_providers().await;
    let uri = format!("{}/container", providers.endpoint);
    let role = format!("role_arn = {ROLE}\n");
    let own = |rest: &str| format!("[default]\nregion = {REGION}\n{role}{rest}\n");
    let cases: Vec<Refused> = vec![
        // Named profiles that do not exist.
        (
            String::new(),
            vec![("AWS_PROFILE", "prod")],
            vec!["AWS_PROFILE", "\"prod\""],
        ),
        (
            String::new(),
            vec![("AWS_DEFAULT_PROFILE", "prod")],
            vec!["AWS_DEFAULT_PROFILE"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_PROFILE", "prdo")],
            vec!["\"prdo\"", "default"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_PROFILE", "")],
            vec!["AWS_PROFILE", "\"\""],
        ),
        (
            format!("{}[profile a]\nregion = us-east-1\n", keys(ACCOUNT)),
            vec![("AWS_PROFILE", "a"), ("AWS_DEFAULT_PROFILE", "b")],
            vec!["AWS_DEFAULT_PROFILE", "unset one"],
        ),
        // Invalid configuration files.
        (
            "[default\nregion = x\n".to_owned(),
            vec![],
            vec![".aws/config", "line 1"],
        ),
        // Invalid values.
        (
            format!("{}retry_mode = legacy\n", keys(ACCOUNT)),
            vec![],
            vec!["retry_mode", "\"legacy\"", "profile default", "standard"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_RETRY_MODE", "legacy")],
            vec!["AWS_RETRY_MODE", "adaptive"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_MAX_ATTEMPTS", "0")],
            vec!["AWS_MAX_ATTEMPTS", "\"0\"", "1 or more"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_MAX_ATTEMPTS", "abc")],
            vec!["AWS_MAX_ATTEMPTS", "\"abc\""],
        ),
        (
            format!("{}max_attempts = 0\n", keys(ACCOUNT)),
            vec![],
            vec!["max_attempts", "profile default"],
        ),
        (
            format!("{}use_fips_endpoint = yes\n", keys(ACCOUNT)),
            vec![],
            vec!["use_fips_endpoint", "true or false"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_USE_DUALSTACK_ENDPOINT", "1")],
            vec!["AWS_USE_DUALSTACK_ENDPOINT"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "on")],
            vec!["AWS_IGNORE_CONFIGURED"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_ACCOUNT_ID_ENDPOINT_MODE", "never")],
            vec!["required"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_EC2_METADATA_DISABLED", "yes")],
            vec!["AWS_EC2_METADATA_DISABLED"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_REGION", "Ireland")],
            vec!["\"Ireland\"", "eu-west-1"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_CA_BUNDLE", "/nowhere.pem")],
            vec!["AWS_CA_BUNDLE", "/nowhere.pem", "read"],
        ),
        (
            keys(ACCOUNT),
            vec![("AWS_CA_BUNDLE", "/etc/hosts")],
            vec!["AWS_CA_BUNDLE", "no certificate"],
        ),
        (
            format!("{}ca_bundle = /nowhere.pem\n", keys(ACCOUNT)),
            vec![],
            vec!["ca_bundle", "profile default"],
        ),
        // Incomplete credentials, which must not fall back to another account's.
        (
            String::new(),
            vec![("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", ACCOUNT)],
            vec!["AWS_SECRET_ACCESS_KEY"],
        ),
        (
            format!("[default]\nregion = {REGION}\naws_access_key_id = x\n"),
            vec![],
            vec!["aws_secret_access_key"],
        ),
        (own(""), vec![], vec!["profile default", "source_profile"]),
        (
            own("source_profile = nobody"),
            vec![],
            vec!["source_profile", "\"nobody\""],
        ),
        (
            own("source_profile = default"),
            vec![],
            vec!["source_profile", "itself"],
        ),
        (
            own(&format!(
                "source_profile = b\n[profile b]\n{role}source_profile = default"
            )),
            vec![],
            vec!["profile b", "leads back"],
        ),
        (
            own("credential_source = Moon"),
            vec![],
            vec!["credential_source", "\"Moon\"", "Environment"],
        ),
        (
            own("source_profile = b\ncredential_source = Environment"),
            vec![],
            vec!["source_profile and credential_source"],
        ),
        (
            own("source_profile = b\nduration_seconds = 1"),
            vec![],
            vec!["duration_seconds", "900"],
        ),
        (
            own("source_profile = b\nmfa_serial = m"),
            vec![],
            vec!["mfa_serial m", "MFA", "terminal"],
        ),
        (
            format!("[default]\nregion = {REGION}\nlogin_session = x\n"),
            vec![],
            vec!["aws login", "export-credentials --profile default"],
        ),
        (
            format!("[default]\nregion = {REGION}\nsso_account_id = 1\n"),
            vec![],
            vec!["sso_role_name"],
        ),
        (
            format!("[default]\nregion = {REGION}\nsso_account_id = 1\nsso_role_name = r\n"),
            vec![],
            vec!["sso_region"],
        ),
        (
            format!(
                "[default]\nregion = {REGION}\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
            ),
            vec![],
            vec!["sso-session", "`s`"],
        ),
        (
            format!("[default]\nregion = {REGION}\nweb_identity_token_file = /nowhere\n"),
            vec![],
            vec!["role_arn"],
        ),
        (
            format!("[default]\nregion = {REGION}\ncredential_process = /nowhere/p\n"),
            vec![],
            vec!["AWS credentials", "/nowhere/p"],
        ),
        // No region.
        (
            String::new(),
            vec![
                ("AWS_ACCESS_KEY_ID", ACCOUNT),
                ("AWS_SECRET_ACCESS_KEY", "s"),
            ],
            vec!["no AWS region"],
        ),
    ];
    for (config, variables, parts) in cases {
        // The role of a container, of another account, is available.
        let around = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str());
        let mut setup = Setup::at(&env).with(&[around]).with(&variables);
        if !config.is_empty() {
            setup = setup.config(&config);
        }
        let before = setup.ccinv.files();
        for command in [&["scan"][..], &["list", "--table", "inventory"]] {
            let done = setup.ccinv.run(command).await;
            assert_eq!(
                done.code, 2,
                "{command:?} {config:?} {variables:?}: {done:?}"
            );
            let complaint = done.complaint();
            for part in &parts {
                assert!(
                    complaint.contains(part),
                    "{part:?} of {config:?} {variables:?}: {complaint}"
                );
            }
        }
        assert_eq!(setup.ccinv.files(), before, "no file is created");
    }
    assert_eq!(env.codeconnections.requests(), 0, "no request is sent");
    assert_eq!(providers.count(), 0, "nor for other credentials");
}

#[tokio::test]
async fn unreadable_configuration_file_is_an_error() {
    let env = TestEnv::new().await;
    let garbled = Setup::at(&env).with(&[("AWS_REGION", REGION)]);
    let folder = garbled.ccinv.folder().join(".aws");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("credentials"), b"[default]\n\xff").expect("written");
    let done = garbled.ccinv.run(&["scan"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.complaint().contains("is not UTF-8"), "{done:?}");
    let a_folder = Setup::at(&env).with(&[("AWS_CONFIG_FILE", "/")]);
    let done = a_folder.ccinv.run(&["scan"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.complaint()
            .contains("AWS_CONFIG_FILE: / can't be read"),
        "{done:?}"
    );
}

#[tokio::test]
async fn aws_options_are_refused_when_aws_is_not_used() {
    let ccinv = Ccinv::offline();
    for option in [["--profile", "p"], ["--region", "eu-west-1"]] {
        let done = ccinv.run(&["list", option[0], option[1]]).await;
        assert_eq!(done.code, 2, "{done:?}");
        let complaint = done.complaint();
        assert!(
            complaint.contains(option[0]) && complaint.contains("--table"),
            "{complaint}"
        );
        assert!(complaint.contains("--in-region"), "{complaint}");
    }
}

#[tokio::test]
async fn function_reports_unusable_settings_in_one_log_line() {
    for (variable, value, part) in [
        ("AWS_RETRY_MODE", "legacy", "standard or adaptive"),
        ("AWS_MAX_ATTEMPTS", "0", "1 or more"),
        ("AWS_MAX_ATTEMPTS", "abc", "1 or more"),
        ("AWS_USE_FIPS_ENDPOINT", "yes", "true or false"),
        ("AWS_CA_BUNDLE", "/nowhere.pem", "can't be read"),
        ("AWS_PROFILE", "prod", "no profile \"prod\""),
    ] {
        let output = Command::new(crate::support::runtime_emulator::function())
            .env_clear()
            .env("TOMBSTONE_GUARD", "2")
            .env("TABLE_NAME", "inventory")
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env(variable, value)
            .output()
            .await
            .expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        assert_eq!(line["message"], "the function can't start");
        let error = line["error"].as_str().expect("an error");
        // Other invalid settings are reported too.
        assert!(error.contains("TOMBSTONE_GUARD: "), "{error}");
        assert!(error.contains(&format!("; {variable}: ")), "{error}");
        assert!(error.contains(part), "{error}");
        assert_eq!(output.stderr, b"");
    }
}

// ------------------------------------------------------ ignored settings

/// Keys of the profile, environment variables and values that change nothing.
const IGNORED: [(&str, &str, &str); 33] = [
    ("", "AWS_CLI_FILE_ENCODING", "UTF-8"),
    ("", "AWS_CLI_OUTPUT_ENCODING", "UTF-8"),
    ("", "AWS_LOGIN_CACHE_DIRECTORY", "/nowhere"),
    ("cli_follow_urlparam", "", "false"),
    ("cli_help_output", "", "terminal"),
    ("api_versions", "", "x"),
    (
        "auth_scheme_preference",
        "AWS_AUTH_SCHEME_PREFERENCE",
        "sigv4",
    ),
    ("cli_auto_prompt", "AWS_CLI_AUTO_PROMPT", "on"),
    ("cli_binary_format", "", "base64"),
    ("cli_history", "", "enabled"),
    ("cli_pager", "AWS_PAGER", "false"),
    ("cli_timestamp_format", "", "iso8601"),
    ("data_path", "AWS_DATA_PATH", "/nowhere"),
    ("defaults_mode", "AWS_DEFAULTS_MODE", "mobile"),
    (
        "disable_host_prefix_injection",
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "true",
    ),
    (
        "disable_request_compression",
        "AWS_DISABLE_REQUEST_COMPRESSION",
        "true",
    ),
    (
        "ec2_metadata_v1_disabled",
        "AWS_EC2_METADATA_V1_DISABLED",
        "true",
    ),
    (
        "endpoint_discovery_enabled",
        "AWS_ENABLE_ENDPOINT_DISCOVERY",
        "true",
    ),
    (
        "metadata_service_num_attempts",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
        "5",
    ),
    (
        "metadata_service_timeout",
        "AWS_METADATA_SERVICE_TIMEOUT",
        "5",
    ),
    ("output", "AWS_DEFAULT_OUTPUT", "text"),
    ("parameter_validation", "", "false"),
    (
        "request_checksum_calculation",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "when_required",
    ),
    (
        "request_min_compression_size_bytes",
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
        "1",
    ),
    (
        "response_checksum_validation",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
        "when_required",
    ),
    (
        "s3_disable_express_session_auth",
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
        "true",
    ),
    (
        "s3_disable_multiregion_access_points",
        "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
        "true",
    ),
    ("s3_use_arn_region", "AWS_S3_USE_ARN_REGION", "true"),
    ("sdk_ua_app_id", "AWS_SDK_UA_APP_ID", "inventory"),
    (
        "sigv4a_signing_region_set",
        "AWS_SIGV4A_SIGNING_REGION_SET",
        "*",
    ),
    ("sso_registration_scopes", "", "sso:account:access"),
    (
        "sts_regional_endpoints",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "legacy",
    ),
    ("tcp_keepalive", "", "true"),
];

#[tokio::test]
async fn unrelated_settings_change_nothing() {
    let env = TestEnv::new().await;
    let expected = (ACCOUNT.to_owned(), REGION.to_owned());
    for (key, variable, value) in IGNORED {
        let mut config = keys(ACCOUNT);
        if !key.is_empty() {
            config = format!("{config}{key} = {value}\n");
        }
        let mut setup = Setup::at(&env).config(&config);
        if !variable.is_empty() {
            setup = setup.with(&[(variable, value)]);
        }
        assert_eq!(setup.scanned(&[]).await, expected, "{key} {variable}");
    }
}

/// Asserts that every setting the page names occurs in this file, and that the page
/// names every ignored setting.
#[test]
fn documentation_page_names_only_tested_settings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/aws-configuration.md")).expect("a page");
    let here =
        std::fs::read_to_string(root.join("tests/it/cli/aws_configuration.rs")).expect("a test");
    let name = regex_lite::Regex::new("`([A-Za-z0-9_]+)`").expect("a pattern");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let first = |row: &str| -> Vec<String> {
        let cells: Vec<&str> = row.split('|').collect();
        let names = [cells[1], cells[2]].map(|cell| name.captures_iter(cell));
        let names = names.into_iter().flatten();
        names.map(|found| found[1].to_owned()).collect()
    };
    let named: BTreeSet<String> = rows.flat_map(first).collect();
    assert!(named.len() > 90, "{named:?}");
    for name in &named {
        let tested = regex_lite::Regex::new(&format!("(\\b|n){name}\\b")).expect("a pattern");
        // Only a container has the first address; `security.rs` tests the proxies,
        // `archive.rs`, `checkpoints.rs`, `dependencies.rs`, `dependency_sources.rs` and
        // `properties.rs` the endpoints.
        let tested_elsewhere = [
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_ENDPOINT_URL_CODEBUILD",
            "AWS_ENDPOINT_URL_CODEGURU_REVIEWER",
            "AWS_ENDPOINT_URL_CODEPIPELINE",
            "AWS_ENDPOINT_URL_DATAZONE",
            "AWS_ENDPOINT_URL_INSPECTOR2",
            "AWS_ENDPOINT_URL_KMS",
            "AWS_ENDPOINT_URL_OMICS",
            "AWS_ENDPOINT_URL_PROTON",
            "AWS_ENDPOINT_URL_RAM",
            "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL_SERVICE_CATALOG",
            "HTTP_PROXY",
            "NO_PROXY",
        ];
        assert!(
            tested.is_match(&here) || tested_elsewhere.contains(&name.as_str()),
            "{name} is not tested"
        );
    }
    for (key, variable, _) in IGNORED {
        assert!(key.is_empty() || named.contains(key), "{key}");
        assert!(
            variable.is_empty() || named.contains(variable),
            "{variable}"
        );
    }
}

// ------------------------------------------------------ simulated services

/// A simulated STS that returns another account's credentials and records its
/// requests.
struct Sts {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: HttpServer,
}

impl Sts {
    async fn start() -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let recorded = Arc::clone(&requests);
        let server = HttpServer::start(move |seen| {
            let action = &seen.operation;
            let result = if action == "GetCallerIdentity" {
                format!("<Account>{OTHER}</Account>")
            } else {
                format!(
                    "<Credentials><AccessKeyId>{OTHER}</AccessKeyId><SecretAccessKey>s\
                     </SecretAccessKey><SessionToken>t</SessionToken>\
                     <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>"
                )
            };
            let token = seen.headers.get("x-amz-security-token");
            let token = token.map_or("", |token| token.to_str().expect("text"));
            let body = String::from_utf8_lossy(&seen.body);
            let request = format!("{body}&token={token}");
            recorded.lock().expect("no panic").push(request);
            let xml = format!(
                "<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
            );
            let response = Response::builder().header("content-type", "text/xml");
            ready(whole(response.body(xml.into()).expect("a response")))
        })
        .await;
        Self {
            endpoint: server.endpoint.clone(),
            requests,
            _server: server,
        }
    }

    /// Removes all recorded requests. Returns those of this action.
    fn take(&self, action: &str) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.lock().expect("no panic"));
        let of = |body: &String| body.contains(&format!("Action={action}&"));
        requests.into_iter().filter(of).collect()
    }
}

/// Starts simulated credential providers (container, instance, SSO) of another account.
async fn credential_providers() -> HttpServer {
    let credentials = format!(
        "{{\"Code\": \"Success\", \"AccessKeyId\": \"{OTHER}\", \"SecretAccessKey\": \"s\", \
         \"Token\": \"t\", \"Expiration\": \"2100-01-01T00:00:00Z\"}}"
    );
    let sso = format!(
        "{{\"roleCredentials\": {{\"accessKeyId\": \"{OTHER}\", \"secretAccessKey\": \"s\", \
         \"sessionToken\": \"t\", \"expiration\": 4102444800000}}}}"
    );
    HttpServer::start(move |seen| {
        let token = seen.headers.get("authorization").map(HeaderValue::as_bytes);
        let roles = "/latest/meta-data/iam/security-credentials/";
        let (status, body) = match (seen.method.as_str(), seen.uri.path()) {
            ("GET", "/guarded") if token != Some(b"Basic t") => (403, ""),
            ("GET", "/container" | "/guarded") => (200, credentials.as_str()),
            ("GET", "/federation/credentials") => (200, sso.as_str()),
            ("PUT", "/latest/api/token") => (200, "t"),
            ("GET", path) if path == roles => (200, "role"),
            ("GET", path) if path.strip_prefix(roles) == Some("role") => {
                (200, credentials.as_str())
            }
            _ => (404, ""),
        };
        let response = Response::builder().status(status);
        let response = response.header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        let body = Bytes::copy_from_slice(body.as_bytes());
        ready(whole(response.body(body).expect("a response")))
    })
    .await
}
