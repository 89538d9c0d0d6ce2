//! Relations as a graph for Graphviz (DOT) or Mermaid. Names are untrusted text:
//! they occur only within quoted labels.
//! <https://graphviz.org/doc/info/lang.html>,
//! <https://mermaid.js.org/syntax/flowchart.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::printable;
use crate::audit::relations::{Node, Relation};

/// Returns the relations as a directed graph in Graphviz's DOT language. Dangling
/// relations are red and dashed.
pub fn dot(relations: &[Relation]) -> String {
    let mut text = "digraph relations {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (id, node) in nodes(relations) {
        let shape = match node.kind {
            "ACCOUNT" => " shape=folder",
            "CONNECTION" => " shape=ellipse",
            _ => "",
        };
        let (id, label) = (dot_quoted(id), dot_quoted(&label(node)));
        let _ = writeln!(text, "  {id} [label={label}{shape}];");
    }
    for relation in relations {
        let (from, to) = (dot_quoted(&relation.from.id), dot_quoted(&relation.to.id));
        let label = dot_quoted(&edge_label(relation));
        let style = match relation.dangling {
            true => " style=dashed color=red",
            false => "",
        };
        let _ = writeln!(text, "  {from} -> {to} [label={label}{style}];");
    }
    text + "}\n"
}

/// Returns the relations as a Mermaid flowchart. Dangling relations are dotted.
pub fn mermaid(relations: &[Relation]) -> String {
    let nodes = nodes(relations);
    // Ids of the record have characters that Mermaid's must not have.
    let ids: BTreeMap<&str, String> = nodes
        .keys()
        .enumerate()
        .map(|(number, id)| (*id, format!("n{number}")))
        .collect();
    let id = |of: &str| ids.get(of).map_or("", String::as_str);
    let mut text = "flowchart LR\n".to_owned();
    for (of, node) in &nodes {
        let _ = writeln!(text, "  {}[{}]", id(of), mermaid_quoted(&label(node)));
    }
    for relation in relations {
        let arrow = if relation.dangling { "-.->" } else { "-->" };
        let label = mermaid_quoted(&edge_label(relation));
        let (from, to) = (id(&relation.from.id), id(&relation.to.id));
        let _ = writeln!(text, "  {from} {arrow}|{label}| {to}");
    }
    text
}

/// Returns the nodes by id. An end that is on record has a name.
fn nodes(relations: &[Relation]) -> BTreeMap<&str, &Node> {
    let mut nodes: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in relations.iter().flat_map(|r| [&r.from, &r.to]) {
        let known = nodes.entry(&node.id).or_insert(node);
        if known.name.is_none() {
            *known = node;
        }
    }
    nodes
}

fn label(node: &Node) -> String {
    let kind = node.kind.to_lowercase().replace('_', " ");
    format!("{kind} {}", node.name.as_deref().unwrap_or(&node.id))
}

fn edge_label(relation: &Relation) -> String {
    let what = relation.relation.as_str().to_lowercase().replace('_', " ");
    match relation.to_status.as_deref().filter(|_| relation.dangling) {
        Some(status) => format!("{what}: {status}"),
        None => what,
    }
}

/// Returns a quoted string of DOT. A backslash begins an escape in labels.
fn dot_quoted(text: &str) -> String {
    let text = printable(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

/// Returns a quoted label of Mermaid, with entity codes for what could end it or
/// be read as markup.
fn mermaid_quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in printable(text).chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '|' | '[' | ']' | '*' | '_' => {
                let _ = write!(quoted, "#{};", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_names_stay_within_their_quotes() {
        let hostile = "a\"];\n} \\\" <b>`|#quot;\u{202e}\\";
        let dot = dot_quoted(hostile);
        // Read as DOT reads a quoted string.
        let mut inner = dot[1..dot.len() - 1].chars();
        let mut read = String::new();
        while let Some(c) = inner.next() {
            match c {
                '\\' => read.extend(inner.next()),
                '"' => panic!("ends early: {dot}"),
                c => read.push(c),
            }
        }
        assert_eq!(read, printable(hostile));
        assert!(!dot.contains('\n') && !dot.contains('\u{202e}'));

        let mermaid = mermaid_quoted(hostile);
        let inner = &mermaid[1..mermaid.len() - 1];
        assert!(
            !inner.contains(['"', '<', '`', '|', ']', '\n', '\\']),
            "{inner}"
        );
        assert!(inner.starts_with("a#34;#93;;"), "{inner}");
        // What looks like an entity code is no code.
        assert!(inner.contains("#35;quot;"), "{inner}");
    }
}
