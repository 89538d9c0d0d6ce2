//! Tests the emulator over real HTTP, with requests written by hand.
#![allow(clippy::expect_used, missing_docs)]

use std::{collections::HashMap, time::Duration};

use codeconnections_inventory::local::EmulatorService;
use codeconnections_inventory::local::codeconnections::{protocol, *};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ACCOUNT: &str = "111122223333";

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn cbor(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/cbor");
        assert_eq!(self.headers["smithy-protocol"], "rpc-v2-cbor");
        protocol::from_cbor(&self.body).expect("CBOR")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

struct Server {
    codeconnections: CodeConnectionsEmulator,
    address: std::net::SocketAddr,
    _service: EmulatorService,
}

impl Server {
    async fn start(options: Options) -> Self {
        let codeconnections = CodeConnectionsEmulator::new(options);
        let service = EmulatorService::start(codeconnections.clone(), 0).await;
        let service = service.expect("a port");
        let address = service.endpoint().strip_prefix("http://");
        Self {
            address: address.expect("HTTP").parse().expect("an address"),
            codeconnections,
            _service: service,
        }
    }

    async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.expect("a stream");
        let mut request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        // The server may answer before it has read a body it does not want.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("text");
        let mut lines = head.lines();
        let status = lines.next().expect("a status line")[9..12]
            .parse()
            .expect("a status");
        let headers = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        Reply {
            status,
            headers,
            body,
        }
    }

    async fn call_as(&self, key: &str, region: &str, operation: &str, input: Value) -> Reply {
        let reply = self
            .send(
                &format!("POST /service/CodeConnections_20231201/operation/{operation}"),
                &[
                    ("smithy-protocol", "rpc-v2-cbor"),
                    ("content-type", "application/cbor"),
                    ("authorization", &signed(key, region)),
                ],
                &protocol::to_cbor(&input),
            )
            .await;
        assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
        reply
    }

    async fn call(&self, operation: &str, input: Value) -> Reply {
        self.call_as(ACCOUNT, "eu-west-1", operation, input).await
    }

    async fn sts(&self, form: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        all.extend(headers);
        self.send("POST /", &all, form.as_bytes()).await
    }
}

fn signed(key: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/codeconnections/aws4_request, \
         SignedHeaders=host, Signature=00"
    )
}

fn assert_refused(reply: &Reply, status: u16, name: &str) {
    let body = reply.cbor();
    assert_eq!(body["__type"], name, "{body}");
    assert_eq!(reply.status, status, "{body}");
    let words = body
        .get("Message")
        .or(body.get("message"))
        .and_then(Value::as_str);
    assert!(words.is_some_and(|w| !w.is_empty()), "{body}");
}

#[tokio::test]
async fn connection_is_created_read_and_deleted_over_cbor() {
    let server = Server::start(Options::default()).await;
    let input = json!({"ConnectionName": "x", "ProviderType": "GitHub"});
    let made = server.call("CreateConnection", input).await;
    assert_eq!(made.status, 200);
    let arn = made.cbor()["ConnectionArn"].clone();
    let named = json!({ "ConnectionArn": arn });
    assert_eq!(
        server.call("GetConnection", named.clone()).await.cbor(),
        json!({"Connection": {
            "ConnectionName": "x", "ConnectionArn": arn, "ProviderType": "GitHub",
            "OwnerAccountId": ACCOUNT, "ConnectionStatus": "PENDING",
        }})
    );
    assert_eq!(
        server.call("DeleteConnection", named.clone()).await.cbor(),
        json!({})
    );
    let missing = server.call("GetConnection", named).await;
    assert_refused(
        &missing,
        404,
        "com.amazonaws.codeconnections#ResourceNotFoundException",
    );
    assert_eq!(
        missing.cbor()["Message"],
        format!("Connection {} not found", arn.as_str().expect("text"))
    );
}

#[tokio::test]
async fn errors_have_the_names_of_the_aws_framework() {
    let server = Server::start(Options::default()).await;
    let unknown = server.call("GetRepositoryLink", json!({})).await;
    assert_refused(
        &unknown,
        400,
        "com.amazon.coral.service#UnknownOperationException",
    );
    let wrong = server
        .call("ListConnections", json!({"NextToken": "x"}))
        .await;
    assert_refused(&wrong, 400, "com.amazon.coral.validate#ValidationException");
    let path = "POST /service/CodeConnections_20231201/operation/ListConnections";
    let cbor = ("smithy-protocol", "rpc-v2-cbor");
    let unsigned = server.send(path, &[cbor], b"\xa0").await;
    let name = "com.amazon.coral.service#MissingAuthenticationTokenException";
    assert_refused(&unsigned, 400, name);
    let auth = signed(ACCOUNT, "eu-west-1");
    let garbage = server
        .send(path, &[cbor, ("authorization", &auth)], b"\xff")
        .await;
    assert_refused(
        &garbage,
        400,
        "com.amazon.coral.service#SerializationException",
    );
    let empty = server
        .send(path, &[cbor, ("authorization", &auth)], b"")
        .await;
    assert_eq!(empty.cbor(), json!({"Connections": []}));
    let large = server
        .send(path, &[cbor, ("authorization", &auth)], &vec![0; 2 << 20])
        .await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn both_apis_are_served_in_json() {
    let server = Server::start(Options::default()).await;
    let auth = signed(ACCOUNT, "eu-west-1");
    for (target, kind, status) in [
        (
            "com.amazonaws.codeconnections.CodeConnections_20231201",
            "com.amazonaws.codeconnections",
            404,
        ),
        (
            "com.amazonaws.codestar.connections.CodeStar_connections_20191201",
            "com.amazonaws.codestar.connections",
            400,
        ),
    ] {
        let target = format!("{target}.GetConnection");
        let headers = [("x-amz-target", target.as_str()), ("authorization", &auth)];
        let body =
            br#"{"ConnectionArn": "arn:aws:codeconnections:eu-west-1:111122223333:connection/x"}"#;
        let reply = server.send("POST /", &headers, body).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.0");
        assert_eq!(
            reply.headers["x-amzn-errortype"],
            "ResourceNotFoundException"
        );
        assert_eq!(
            reply.json()["__type"],
            format!("{kind}#ResourceNotFoundException")
        );
    }
}

#[tokio::test]
async fn access_key_selects_the_account() {
    let server = Server::start(Options {
        default_account: "777777777777".to_owned(),
        ..Options::default()
    })
    .await;
    for (key, account) in [(ACCOUNT, ACCOUNT), ("AKIDEXAMPLE", "777777777777")] {
        let input = json!({"ConnectionName": "x", "ProviderType": "GitHub"});
        let made = server
            .call_as(key, "cn-north-1", "CreateConnection", input)
            .await
            .cbor();
        let prefix = format!("arn:aws-cn:codeconnections:cn-north-1:{account}:connection/");
        assert!(
            made["ConnectionArn"]
                .as_str()
                .expect("text")
                .starts_with(&prefix),
            "{made}"
        );
    }
}

#[tokio::test]
async fn assumed_role_acts_for_its_account() {
    let mut options = Options::default();
    options.deny_assume_role.insert("999999999999".to_owned());
    let server = Server::start(options).await;
    let auth = signed(ACCOUNT, "us-east-1");
    let own = [("authorization", auth.as_str())];
    let role = |account: &str| {
        format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A{account}%3Arole%2Fpath%2Freader&RoleSessionName=me"
        )
    };
    let denied = server.sts(&role("999999999999"), &own).await;
    assert_eq!(denied.status, 403);
    assert!(
        denied.text().contains("<Code>AccessDenied</Code>"),
        "{}",
        denied.text()
    );

    let reply = server.sts(&role("222233334444"), &own).await;
    let field = |name: &str| {
        let (_, rest) = reply
            .text()
            .split_once(&format!("<{name}>"))
            .expect("the field");
        rest.split('<').next().expect("text").to_owned()
    };
    let (key, token) = (field("AccessKeyId"), field("SessionToken"));
    let auth = signed(&key, "us-east-1");
    let with_token = [
        ("authorization", auth.as_str()),
        ("x-amz-security-token", token.as_str()),
    ];
    let identity = server.sts("Action=GetCallerIdentity", &with_token).await;
    assert!(identity.text().contains("<Account>222233334444</Account>"));
    assert!(
        identity
            .text()
            .contains("arn:aws:sts::222233334444:assumed-role/reader/me")
    );
    // The key is invalid without its token.
    let bare = server
        .sts("Action=GetCallerIdentity", &with_token[..1])
        .await;
    assert!(bare.text().contains("InvalidClientTokenId"));
    let unsigned = server.sts("Action=GetCallerIdentity", &[]).await;
    assert!(
        unsigned
            .text()
            .contains("<Code>MissingAuthenticationToken</Code>")
    );
    let odd = server.sts("Action=Dance", &own).await;
    assert!(odd.text().contains("<Code>InvalidAction</Code>"));
}

#[tokio::test]
async fn requests_fail_with_injected_faults() {
    let mut options = Options::default();
    let place = (ACCOUNT.to_owned(), "eu-west-3".to_owned());
    options.region_access.insert(place, RegionAccess::Denied);
    let server = Server::start(options).await;
    let denied = server
        .call_as(ACCOUNT, "eu-west-3", "ListConnections", json!({}))
        .await;
    assert_refused(
        &denied,
        400,
        "com.amazon.coral.service#AccessDeniedException",
    );
    assert_eq!(
        denied.cbor()["message"],
        "User: arn:aws:iam::111122223333:root is not authorized to perform: \
         codeconnections:ListConnections on resource: \
         arn:aws:codeconnections:eu-west-3:111122223333:* because no identity-based policy allows \
         the codeconnections:ListConnections action"
    );

    server.codeconnections.set_faults(|request| {
        assert_eq!(
            (request.account.as_str(), request.region.as_str()),
            (ACCOUNT, "eu-west-1")
        );
        match request.sequence {
            1 => Some(Fault::Throttle),
            2 => Some(Fault::InternalError),
            3 => Some(Fault::NotEnabled),
            4 => Some(Fault::Hang),
            _ => None,
        }
    });
    for (status, name) in [
        (400, "com.amazon.coral.availability#ThrottlingException"),
        (500, "com.amazon.coral.service#InternalFailure"),
        (400, "com.amazon.coral.service#UnrecognizedClientException"),
    ] {
        assert_refused(&server.call("ListHosts", json!({})).await, status, name);
    }
    let hanging = server.call("ListHosts", json!({}));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), hanging)
            .await
            .is_err()
    );
    assert_eq!(
        server.call("ListHosts", json!({})).await.cbor(),
        json!({"Hosts": []})
    );
    assert_eq!(server.codeconnections.requests(), 6);
}

#[tokio::test]
async fn control_calls_of_the_emulator_need_no_signature() {
    let server = Server::start(Options::default()).await;
    let input = json!({"ConnectionName": "x", "ProviderType": "GitHub"});
    let made = server.call("CreateConnection", input).await.cbor();
    let arn = made["ConnectionArn"].as_str().expect("text");
    // As curl sends it.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = json!({"arn": arn, "status": "ERROR"}).to_string();
    let set = server.send("POST /_standin/status", &form, body.as_bytes());
    assert_eq!(set.await.json(), json!({}));
    let share = json!({"arn": arn, "account": "222233334444"}).to_string();
    assert_eq!(
        server
            .send("POST /_standin/share", &[], share.as_bytes())
            .await
            .status,
        200
    );
    let everything = server
        .send("GET /_standin/connections", &[], b"")
        .await
        .json();
    let connection = &everything["connections"][0];
    assert_eq!(connection["ConnectionStatus"], "ERROR");
    assert_eq!(connection["SharedWith"], json!(["222233334444"]));
    let status = json!({"arn": arn, "status": "AVAILABLE"}).to_string();
    assert_eq!(
        server
            .send("POST /_standin/status", &[], status.as_bytes())
            .await
            .status,
        200
    );
    let record = &server.codeconnections.connections()[0];
    assert_eq!(
        record.connection.connection_status,
        ConnectionStatus::Available
    );
    let wrong = json!({"arn": arn, "status": "READY"}).to_string();
    assert_eq!(
        server
            .send("POST /_standin/status", &[], wrong.as_bytes())
            .await
            .status,
        400
    );
    let members = json!({
        "ProviderEndpoint": "https://acme.ghe.com",
        "NetworkType": {"VpcIds": ["vpc-1", null, 2, true]},
    });
    for body in [
        json!({"arn": arn, "members": {"Short": "lived"}}),
        json!({"arn": arn, "members": members}),
        json!({"arn": arn, "members": {"Short": null}}),
    ] {
        let body = body.to_string();
        let answer = server
            .send("POST /_standin/members", &[], body.as_bytes())
            .await;
        assert_eq!(answer.status, 200);
    }
    let everything = server
        .send("GET /_standin/connections", &[], b"")
        .await
        .json();
    let connection = &everything["connections"][0];
    for (name, value) in members.as_object().expect("an object") {
        assert_eq!(connection[name], *value, "{name}");
    }
    assert_eq!(connection.get("Short"), None);
    for wrong in [
        json!({"ConnectionName": "x"}),
        json!({"ProviderEndpoint": 1}),
    ] {
        let wrong = json!({"arn": arn, "members": wrong}).to_string();
        let answer = server
            .send("POST /_standin/members", &[], wrong.as_bytes())
            .await;
        assert_eq!(answer.status, 400);
    }
    let wrong = json!({"arn": arn, "account": "me"}).to_string();
    assert_eq!(
        server
            .send("POST /_standin/share", &[], wrong.as_bytes())
            .await
            .status,
        400
    );
}
