use super::*;

fn plain(table: &TextTable, width: Option<usize>) -> String {
    anstream::adapter::strip_str(&table.laid_out(width)).to_string()
}

fn sample() -> TextTable {
    let mut table = TextTable::new([
        ("STATUS", Cut::Never),
        ("SEEN", Cut::Never),
        ("NAME", Cut::End),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["SEEN", "ACCOUNT"]);
    let row = |status: &str, name: &str, arn: &str| {
        [
            Cell::word(status),
            Cell::with_compact(format!("{name} at ten"), &name[..2]),
            name.to_owned().into(),
            format!("123{}", name.len()).into(),
            arn.to_owned().into(),
        ]
    };
    table.add(
        row("ERROR", "payments", "arn:aws:it:connection/first"),
        Vec::new(),
    );
    let note = vec!["a line under it".to_owned()];
    table.add(
        row("AVAILABLE", "a-long-name-é", "arn:aws:it:connection/second"),
        note,
    );
    table
}

#[test]
fn without_a_terminal_nothing_is_cut() {
    assert_eq!(
        plain(&sample(), None),
        "STATUS     SEEN                  NAME           ACCOUNT  ARN\n\
         ERROR      payments at ten       payments       1238     arn:aws:it:connection/first\n\
         AVAILABLE  a-long-name-é at ten  a-long-name-é  12314    arn:aws:it:connection/second\n   \
         a line under it\n"
    );
}

#[test]
fn narrow_terminal_gets_shorter_texts_compact_cells_and_fewer_columns() {
    assert_eq!(
        plain(&sample(), Some(70)),
        "STATUS     SEEN                  NAME           ACCOUNT  ARN\n\
         ERROR      payments at ten       payments       1238     arn:…on/first\n\
         AVAILABLE  a-long-name-é at ten  a-long-name-é  12314    arn:…n/second\n   \
         a line under it\n"
    );
    assert_eq!(
        plain(&sample(), Some(50)),
        "STATUS     SEEN  NAME         ACCOUNT  ARN\n\
         ERROR      pa    payments     1238     arn:…/first\n\
         AVAILABLE  a-    a-long-nam…  12314    arn:…second\n   \
         a line under it\n"
    );
    assert_eq!(
        plain(&sample(), Some(40)),
        "STATUS     NAME           ARN\n\
         ERROR      payments       arn:…ion/first\n\
         AVAILABLE  a-long-name-é  arn:…on/second\n   \
         a line under it\nNot shown: SEEN, ACCOUNT. Use --wide for\n    all.\n"
    );
    for line in plain(&sample(), Some(5)).lines().take(3) {
        assert!(line.width() <= 9 + 8 + 11 + 4, "{line}");
    }
}

#[test]
fn column_with_one_value_is_told_once_where_there_is_no_room() {
    let mut table = TextTable::new([
        ("NAME", Cut::End),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT"]);
    for name in ["payments", "search"] {
        let arn = format!("arn:aws:it:{name}");
        table.add(
            [name.to_owned().into(), "1234".to_owned().into(), arn.into()],
            Vec::new(),
        );
    }
    assert_eq!(
        plain(&table, Some(31)),
        "NAME      ARN\n\
         payments  arn:aws:it:payments\n\
         search    arn:aws:it:search\n\
         Not shown: ACCOUNT (1234). Use\n    --wide for all.\n"
    );
}

#[test]
fn wide_characters_take_two_columns() {
    let mut table = TextTable::new([("NAME", Cut::End), ("X", Cut::Never)]);
    table.add(
        ["日本語の名前です".to_owned().into(), "1".to_owned().into()],
        Vec::new(),
    );
    let text = plain(&table, Some(12));
    assert_eq!(text, "NAME       X\n日本語の…  1\n");
}

#[test]
fn control_characters_are_replaced() {
    let mut table = TextTable::new([("NAME", Cut::End)]);
    table.add(
        ["\u{1b}[31mred\n".to_owned().into()],
        vec!["\u{7}".to_owned()],
    );
    assert_eq!(
        plain(&table, None),
        "NAME\n\u{fffd}[31mred\u{fffd}\n   \u{fffd}\n"
    );
}
