//! The number of random cases of a test.

/// Returns `usual` multiplied by the environment variable `TEST_CASES`, at least
/// one: the number of cases that a test with random input tries.
///
/// Without `TEST_CASES` it is `usual`, which is small. `.ci/run` sets 10, and
/// `.ci/second-table`, where each case takes longer, a fraction.
///
/// # Panics
/// If `TEST_CASES` is not a positive number.
pub fn cases(usual: u32) -> u32 {
    let Some(text) = environment("TEST_CASES") else {
        return usual;
    };
    let factor: f64 = text.parse().unwrap_or_default();
    assert!(
        factor.is_finite() && factor > 0.0,
        "TEST_CASES is a factor such as 10 or 0.5, not {text:?}"
    );
    // `as` keeps what is too large at the largest number.
    ((f64::from(usual) * factor).round() as u32).max(1)
}

/// Returns an environment variable that configures the tests.
#[allow(clippy::disallowed_methods, reason = "configures the tests")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
