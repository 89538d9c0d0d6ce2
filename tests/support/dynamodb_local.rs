//! Amazon's DynamoDB Local, running.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::test_env::TestEnv;
use super::{free_port, tools};

/// A running DynamoDB Local. It ends when this value is dropped.
pub struct DynamoDbLocal {
    child: Child,
    pub endpoint: String,
}

impl DynamoDbLocal {
    pub async fn start() -> Self {
        let port = free_port();
        let mut child = tools::dynamodb_local()
            .command(port)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("DynamoDB Local starts");
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().expect("it can be asked");
            assert_eq!(ended, None, "DynamoDB Local ended before it answered");
            assert!(
                std::time::Instant::now() < deadline,
                "DynamoDB Local never answered"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            child,
            endpoint: format!("http://127.0.0.1:{port}"),
        }
    }

    /// Creates a test environment whose table is there.
    pub async fn env(&self) -> TestEnv {
        TestEnv::with_table_at(Some(self.endpoint.clone())).await
    }
}

impl Drop for DynamoDbLocal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
