//! Pairs of keys, by openssl.

use std::path::Path;
use std::process::Command;

use super::tools;

/// Makes NAME.pem and NAME.pub in a folder, with the options of `openssl genpkey`.
pub fn make_key(folder: &Path, name: &str, algorithm: &[&str]) {
    let openssl = |arguments: &[&str]| {
        let made = Command::new(tools::program("openssl", "version"))
            .args(arguments)
            .current_dir(folder)
            .output();
        let made = made.expect("it starts");
        assert!(made.status.success(), "{made:?}");
    };
    let (private, public) = (format!("{name}.pem"), format!("{name}.pub"));
    openssl(&[&["genpkey", "-out", &private], algorithm].concat());
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
}
