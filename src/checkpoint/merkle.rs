//! Merkle trees as Certificate Transparency has them: a root over leaves, and proofs
//! that a leaf is under it.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use crate::domain::Digest;

/// Returns the root over the hashes of leaves.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of_bytes(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// Returns the hashes of lines as leaves.
pub fn leaves(lines: &str) -> Vec<Digest> {
    lines.lines().map(|line| leaf(line.as_bytes())).collect()
}

/// Returns the hash of a leaf.
pub fn leaf(content: &[u8]) -> Digest {
    let mut bytes = Vec::with_capacity(content.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(content);
    Digest::of_bytes(&bytes)
}

/// Returns for each leaf the hashes beside the way to the root, the lowest first.
pub fn inclusion_proofs(leaves: &[Digest]) -> Vec<Vec<Digest>> {
    let mut proofs = vec![Vec::new(); leaves.len()];
    add_siblings(leaves, &mut proofs);
    proofs
}

/// Adds to the proofs of leaves what leads to their root, which it returns.
fn add_siblings(leaves: &[Digest], proofs: &mut [Vec<Digest>]) -> Digest {
    if leaves.len() < 2 {
        return root(leaves);
    }
    let middle = split(leaves.len());
    let (of_left, of_right) = proofs.split_at_mut(middle);
    let left = add_siblings(&leaves[..middle], of_left);
    let right = add_siblings(&leaves[middle..], of_right);
    of_left.iter_mut().for_each(|proof| proof.push(right));
    of_right.iter_mut().for_each(|proof| proof.push(left));
    node(&left, &right)
}

/// Returns the root that a proof leads to from the leaf at `index` of `count`;
/// `None` if its length is wrong.
pub fn root_of_proof(hash: Digest, index: usize, count: usize, proof: &[Digest]) -> Option<Digest> {
    if count < 2 {
        return (index < count && proof.is_empty()).then_some(hash);
    }
    let (sibling, proof) = proof.split_last()?;
    let middle = split(count);
    if index < middle {
        let left = root_of_proof(hash, index, middle, proof)?;
        Some(node(&left, sibling))
    } else {
        let right = root_of_proof(hash, index - middle, count - middle, proof)?;
        Some(node(sibling, &right))
    }
}

/// Returns the largest power of two less than `count`, which is at least 2.
fn split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = Vec::with_capacity(65);
    bytes.push(1);
    bytes.extend_from_slice(left.as_bytes());
    bytes.extend_from_slice(right.as_bytes());
    Digest::of_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots of Certificate Transparency's own tests.
    /// <https://github.com/google/certificate-transparency/blob/master/cpp/merkletree/merkle_tree_test.cc>
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let contents: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let leaves: Vec<Digest> = contents.iter().map(|it| leaf(it)).collect();
        for (count, expected) in [
            (
                0,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                1,
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            ),
            (
                2,
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
            (
                3,
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ),
            (
                7,
                "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            ),
            (
                8,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ] {
            assert_eq!(root(&leaves[..count]).to_string(), expected, "{count}");
        }
    }

    #[test]
    fn proof_leads_to_the_root_from_its_leaf_alone() {
        for count in 1..=20_usize {
            let leaves: Vec<Digest> = (0..count).map(|n| leaf(&n.to_be_bytes())).collect();
            let root = root(&leaves);
            for (index, proof) in inclusion_proofs(&leaves).into_iter().enumerate() {
                let of = |hash, index, proof: &[Digest]| root_of_proof(hash, index, count, proof);
                assert_eq!(of(leaves[index], index, &proof), Some(root));
                assert_ne!(of(leaf(b"other"), index, &proof), Some(root));
                let other = (index + 1) % count;
                assert!(other == index || of(leaves[index], other, &proof) != Some(root));
                assert_eq!(
                    of(leaves[index], index, &[proof, vec![root]].concat()),
                    None
                );
            }
        }
    }
}
