//! Faults by name: errors of AWS, the network and intermediaries, as a client observes
//! them on the wire.

use std::time::Duration;

use codeconnections_inventory::local::codeconnections::protocol::to_cbor;
use serde_json::{Value, json};

use super::fakes::answers;
use super::proxy::{Act, Reply};

/// The attempt timeout of the clients of these tests.
pub const ATTEMPT: Duration = Duration::from_millis(400);

/// The effect of a fault on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The request succeeds in the end, even if the fault lasts.
    Delays,
    /// The same request succeeds after the fault.
    Passes,
    /// The caller is not authorized or unknown, or the table is missing: every other
    /// request fails too.
    Stops,
    /// Only this request is invalid.
    Refuses,
}

/// A fault, and how to produce it for an operation.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub name: &'static str,
    pub means: Means,
    act: fn(Wire) -> Act,
    on: &'static [Wire],
}

/// The wire protocol of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// CodeConnections: CBOR.
    Cbor,
    /// DynamoDB.
    Json,
    /// A DynamoDB batch of statements.
    Batch,
    /// A DynamoDB transaction.
    Transaction,
    /// STS: a form in, XML out.
    Xml,
}

impl Wire {
    pub fn of(operation: &str) -> Self {
        match operation {
            "ListConnections" => Self::Cbor,
            "BatchExecuteStatement" => Self::Batch,
            "ExecuteTransaction" => Self::Transaction,
            "AssumeRole" => Self::Xml,
            _ => Self::Json,
        }
    }

    /// Returns an error of the service.
    pub fn error(self, status: u16, code: &str) -> Reply {
        let error = json!({"__type": format!("com.amazonaws#{code}"), "message": "injected"});
        match self {
            Self::Cbor => Reply::new(status, "application/cbor", to_cbor(&error)),
            Self::Json | Self::Batch | Self::Transaction => {
                Reply::new(status, self.content_type(), error.to_string())
            }
            Self::Xml => {
                let error = format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>injected</Message></Error></ErrorResponse>"
                );
                Reply::new(status, "text/xml", error)
            }
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Cbor => "application/cbor",
            Self::Json | Self::Batch | Self::Transaction => "application/x-amz-json-1.0",
            Self::Xml => "text/xml",
        }
    }

    /// Returns a valid document that is not an answer of any operation.
    fn another_shape(self) -> Vec<u8> {
        let another =
            json!({"Message": "hello", "Items": "none", "Responses": 7, "Connections": {}});
        match self {
            Self::Cbor => to_cbor(&another),
            Self::Json | Self::Batch | Self::Transaction => another.to_string().into(),
            Self::Xml => b"<hello/>".to_vec(),
        }
    }

    /// Returns an empty document.
    fn nothing(self) -> Vec<u8> {
        match self {
            Self::Cbor => to_cbor(&json!({})),
            Self::Json | Self::Batch | Self::Transaction => b"{}".to_vec(),
            Self::Xml => b"<AssumeRoleResponse/>".to_vec(),
        }
    }

    fn with(self, body: impl Into<axum::body::Bytes>) -> Reply {
        Reply::new(200, self.content_type(), body)
    }
}

/// Returns a transaction that is cancelled for these reasons.
fn cancelled(reasons: [&str; 2]) -> Act {
    Act::Answer(400, answers::cancelled(&reasons))
}

fn beginning(body: &[u8]) -> Vec<u8> {
    body[..body.len() / 4].to_vec()
}

/// Removes the last result of a batch.
fn one_fewer(body: &[u8]) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(body).expect("JSON");
    answer["Responses"].as_array_mut().expect("a list").pop();
    answer.to_string().into()
}

const EVERYWHERE: &[Wire] = &[
    Wire::Cbor,
    Wire::Json,
    Wire::Batch,
    Wire::Transaction,
    Wire::Xml,
];
const TABLE: &[Wire] = &[Wire::Json, Wire::Batch, Wire::Transaction];
const SLOW: Duration = Duration::from_millis(700);
const SLOWISH: Duration = Duration::from_millis(50);
const HTML: &str = "<!DOCTYPE html><html><body>Please sign in to the network</body></html>";

impl Fault {
    pub fn act(&self, operation: &str) -> Act {
        (self.act)(Wire::of(operation))
    }

    /// Returns true if this fault can happen to such a request.
    pub fn happens_to(&self, operation: &str) -> bool {
        self.on.contains(&Wire::of(operation))
    }

    const fn everywhere(name: &'static str, means: Means, act: fn(Wire) -> Act) -> Self {
        Self {
            name,
            means,
            act,
            on: EVERYWHERE,
        }
    }

    const fn on(self, on: &'static [Wire]) -> Self {
        Self { on, ..self }
    }
}

use Means::{Delays, Passes, Refuses, Stops};

/// Every fault. Those named "after" occur after the request was executed, so its answer
/// is lost.
pub const FAULTS: &[Fault] = &[
    // Throttling and failures of the service.
    Fault::everywhere("throttled", Passes, |wire| {
        Act::Reply(wire.error(400, "ThrottlingException"))
    }),
    Fault::everywhere("over the table's throughput", Passes, |wire| {
        Act::Reply(wire.error(400, "ProvisionedThroughputExceededException"))
    })
    .on(TABLE),
    Fault::everywhere("429 without a code", Passes, |wire| {
        Act::Reply(Reply::new(429, wire.content_type(), wire.nothing()))
    }),
    Fault::everywhere("500", Passes, |wire| {
        Act::Reply(wire.error(500, "InternalServerError"))
    }),
    Fault::everywhere("500 after", Passes, |wire| {
        Act::PassThenReply(wire.error(500, "InternalServerError"))
    }),
    Fault::everywhere("503 without a body", Passes, |wire| {
        Act::Reply(Reply::new(503, wire.content_type(), ""))
    }),
    Fault::everywhere("502 of something between", Passes, |_| {
        Act::Reply(Reply::new(502, "text/html", HTML))
    }),
    // Slow answers. A late request is executed after its client has timed out and
    // retried.
    Fault::everywhere("slow", Delays, |_| {
        Act::Slowly(SLOWISH, Box::new(Act::Pass))
    }),
    Fault::everywhere("too late", Passes, |_| {
        Act::After(SLOW, Box::new(Act::Pass))
    }),
    Fault::everywhere("answered too late", Passes, |_| {
        Act::Slowly(SLOW, Box::new(Act::Pass))
    }),
    // Closed connections.
    Fault::everywhere("cut before", Passes, |_| Act::Cut),
    Fault::everywhere("cut after", Passes, |_| Act::PassThenCut),
    Fault::everywhere("cut in the answer", Passes, |_| Act::PassThenCutWithin),
    // Invalid bodies.
    // Not for XML: the SDK accepts a truncated body, and calls with half a token.
    Fault::everywhere("the beginning of a body", Passes, |_| {
        Act::PassThenAlter(beginning)
    })
    .on(&[Wire::Cbor, Wire::Json, Wire::Batch, Wire::Transaction]),
    Fault::everywhere("garbage", Passes, |wire| {
        Act::Reply(wire.with(&b"\xff\x00\x9f\x13 no answer at all"[..]))
    }),
    Fault::everywhere("garbage after", Passes, |wire| {
        Act::PassThenReply(wire.with(&b"\xff\x00\x9f\x13 no answer at all"[..]))
    }),
    Fault::everywhere("another shape", Passes, |wire| {
        Act::Reply(wire.with(wire.another_shape()))
    }),
    Fault::everywhere("no body", Passes, |wire| Act::Reply(wire.with(""))),
    Fault::everywhere("no body after", Passes, |wire| {
        Act::PassThenReply(wire.with(""))
    }),
    Fault::everywhere("nothing in it", Passes, |wire| {
        Act::Reply(wire.with(wire.nothing()))
    }),
    Fault::everywhere("nothing in it after", Passes, |wire| {
        Act::PassThenReply(wire.with(wire.nothing()))
    }),
    // Content types of other protocols.
    Fault::everywhere("HTML", Passes, |_| {
        Act::Reply(Reply::new(200, "text/html", HTML))
    }),
    Fault::everywhere("JSON where CBOR is spoken", Passes, |_| {
        let empty = json!({"Connections": []}).to_string();
        Act::Reply(Reply::new(200, "application/x-amz-json-1.0", empty))
    })
    .on(&[Wire::Cbor]),
    // Batches and transactions.
    Fault::everywhere("some statements throttled", Passes, |_| {
        Act::PassSome(|place| (place % 2 == 0).then_some("ThrottlingError"))
    })
    .on(&[Wire::Batch]),
    Fault::everywhere("some statements met by a transaction", Delays, |_| {
        Act::PassSome(|place| (place % 2 == 1).then_some("TransactionConflict"))
    })
    .on(&[Wire::Batch]),
    Fault::everywhere("some statements failed", Delays, |_| {
        Act::PassSome(|place| (place == 1).then_some("InternalServerError"))
    })
    .on(&[Wire::Batch]),
    Fault::everywhere("a result is missing", Passes, |_| {
        Act::PassThenAlter(one_fewer)
    })
    .on(&[Wire::Batch]),
    Fault::everywhere("met by another transaction", Passes, |_| {
        cancelled(["TransactionConflict", "None"])
    })
    .on(&[Wire::Transaction]),
    Fault::everywhere("throttled within the transaction", Passes, |_| {
        cancelled(["None", "ThrottlingError"])
    })
    .on(&[Wire::Transaction]),
    Fault::everywhere("the transaction is under way", Passes, |wire| {
        Act::Reply(wire.error(400, "TransactionInProgressException"))
    })
    .on(&[Wire::Transaction]),
    // Credentials.
    Fault::everywhere("expired token", Stops, |wire| {
        Act::Reply(wire.error(400, "ExpiredTokenException"))
    }),
    Fault::everywhere("expired token by its old name", Stops, |wire| {
        Act::Reply(wire.error(403, "ExpiredToken"))
    }),
    Fault::everywhere("unknown client", Stops, |wire| {
        Act::Reply(wire.error(400, "UnrecognizedClientException"))
    }),
    Fault::everywhere("wrong signature", Stops, |wire| {
        Act::Reply(wire.error(400, "InvalidSignatureException"))
    }),
    Fault::everywhere("expired request", Stops, |wire| {
        Act::Reply(wire.error(400, "RequestExpired"))
    }),
    Fault::everywhere("clock too far off", Stops, |wire| {
        Act::Reply(wire.error(403, "RequestTimeTooSkewed"))
    }),
    Fault::everywhere("denied", Stops, |wire| {
        Act::Reply(wire.error(400, "AccessDeniedException"))
    }),
    Fault::everywhere("no table", Stops, |wire| {
        Act::Reply(wire.error(400, "ResourceNotFoundException"))
    })
    .on(TABLE),
    Fault::everywhere("refused", Refuses, |wire| {
        Act::Reply(wire.error(400, "ValidationException"))
    }),
];
