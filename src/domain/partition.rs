//! The AWS partition that a region belongs to.

/// The prefixes of the regions of each partition. Every other region belongs to
/// the partition `aws`. The SDK has the same table, but does not export it;
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
