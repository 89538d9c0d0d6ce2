//! The operations of `CodeConnections` that several sources call.
//! <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_Operations.html>

use super::api::Pages;
use crate::aws::json_client::{Operation, Service};

/// The operation that lists connections.
pub(super) const LIST_CONNECTIONS: Pages = Pages {
    operation: operation("ListConnections"),
    token: "NextToken",
    next_token: "NextToken",
    items: "Connections",
};

/// The operation that lists hosts.
pub(super) const LIST_HOSTS: Pages = Pages {
    operation: operation("ListHosts"),
    token: "NextToken",
    next_token: "NextToken",
    items: "Hosts",
};

/// Returns an operation of `CodeConnections`.
pub(super) const fn operation(name: &'static str) -> Operation {
    Service::new("CodeConnections", "codeconnections").aws_json(
        "com.amazonaws.codeconnections.CodeConnections_20231201",
        "1.0",
        name,
    )
}
