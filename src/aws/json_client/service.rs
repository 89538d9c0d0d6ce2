//! A service and its operations: where it is called, and by which protocol.

use crate::domain::Region;
use crate::domain::partition::{dns_suffix, dual_stack_suffix};

/// A service, as its endpoint and its signatures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    id: &'static str,
    name: &'static str,
    host_prefix: &'static str,
    is_dual_stack: bool,
}

impl Service {
    /// Returns the service that the SDK looks up as `id`, and whose endpoint and
    /// signatures have `name`.
    pub const fn new(id: &'static str, name: &'static str) -> Self {
        Self {
            id,
            name,
            host_prefix: "",
            is_dual_stack: false,
        }
    }

    /// Returns the service with a prefix of its host at AWS, which is not in
    /// signatures. A configured endpoint has none.
    #[must_use]
    pub const fn host_prefix(self, host_prefix: &'static str) -> Self {
        Self {
            host_prefix,
            ..self
        }
    }

    /// Returns the service as one whose endpoints are dual-stack everywhere.
    #[must_use]
    pub const fn dual_stack(self) -> Self {
        Self {
            is_dual_stack: true,
            ..self
        }
    }

    /// Returns the name by which the SDK looks up its endpoint.
    pub(in crate::aws) const fn id(self) -> &'static str {
        self.id
    }

    /// Returns its name in signatures.
    pub(in crate::aws) const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the endpoint of AWS in a region.
    /// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
    pub(in crate::aws) fn endpoint(self, region: &Region, is_fips: bool) -> String {
        let Self {
            name, host_prefix, ..
        } = self;
        let fips = if is_fips { "-fips" } else { "" };
        let suffix = if self.is_dual_stack {
            dual_stack_suffix(region.as_str())
        } else {
            dns_suffix(region.as_str())
        };
        format!("https://{host_prefix}{name}{fips}.{region}.{suffix}")
    }

    /// Returns an operation of a service that speaks awsJson. `target` is the
    /// prefix of its operations in the header `X-Amz-Target`, `version` that of the
    /// protocol: `1.0` or `1.1`.
    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
    pub const fn aws_json(
        self,
        target: &'static str,
        version: &'static str,
        name: &'static str,
    ) -> Operation {
        Operation {
            service: self,
            name,
            protocol: Protocol::AwsJson { target, version },
        }
    }

    /// Returns an operation of a service that speaks restJson1. `path` is its
    /// `requestUri`, in which `{name}` stands for a member of the input; `query` are
    /// the members that are in the query string. All others are in the body.
    /// <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>
    pub const fn rest_json(
        self,
        name: &'static str,
        method: &'static str,
        path: &'static str,
        query: &'static [&'static str],
    ) -> Operation {
        Operation {
            service: self,
            name,
            protocol: Protocol::RestJson {
                method,
                path,
                query,
            },
        }
    }
}

/// An operation of a service: [`Service::aws_json`] or [`Service::rest_json`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub(super) service: Service,
    name: &'static str,
    pub(super) protocol: Protocol,
}

impl Operation {
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// How an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    AwsJson {
        target: &'static str,
        version: &'static str,
    },
    RestJson {
        method: &'static str,
        path: &'static str,
        query: &'static [&'static str],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service = Service::new("Example", "example");

    /// As boto3 has them in `meta.endpoint_url`, and HealthOmics before a call.
    #[test]
    fn endpoints_are_those_of_aws() {
        let ireland: Region = "eu-west-1".parse().unwrap();
        let beijing: Region = "cn-north-1".parse().unwrap();
        let omics = Service::new("Omics", "omics").host_prefix("workflows-");
        let data_zone = Service::new("DataZone", "datazone").dual_stack();
        for (service, region, is_fips, endpoint) in [
            (
                SERVICE,
                &ireland,
                false,
                "https://example.eu-west-1.amazonaws.com",
            ),
            (
                SERVICE,
                &beijing,
                true,
                "https://example-fips.cn-north-1.amazonaws.com.cn",
            ),
            (
                omics,
                &ireland,
                false,
                "https://workflows-omics.eu-west-1.amazonaws.com",
            ),
            (
                data_zone,
                &ireland,
                true,
                "https://datazone-fips.eu-west-1.api.aws",
            ),
            (
                data_zone,
                &beijing,
                false,
                "https://datazone.cn-north-1.api.amazonwebservices.com.cn",
            ),
        ] {
            assert_eq!(service.endpoint(region, is_fips), endpoint);
        }
    }
}
