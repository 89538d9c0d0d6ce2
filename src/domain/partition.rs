//! The AWS partition that a region belongs to.

/// What the regions of a partition begin with. Every other region is one of the
/// partition `aws`. The SDK has this too, but only for itself;
/// `tests/it/deploy/partitions.rs` compares the two.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

/// Returns the partition of a region: what stands behind `arn:`.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    PARTITIONS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or("aws", |(_, partition)| partition)
}
