//! The tables of `cost`, and how they format numbers.

use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cost::prices::Item;
use crate::cost::{Bill, Line, PriceList};
use crate::output::text::grouped;

/// Texts are cut no shorter than this on a narrow terminal.
const LEAST_TEXT: usize = 18;

/// Returns the table of one bill, with counts and prices.
pub(crate) fn bill_table(bill: &Bill, prices: &PriceList) -> TextTable {
    let lines = &bill.lines;
    let column = |name: &str, cell: &dyn Fn(&Line) -> String, last: String| {
        let cells = lines.iter().map(cell);
        let named = [name.to_owned()].into_iter().chain(cells);
        named.chain([last]).collect::<Vec<String>>()
    };
    let count = |line: &Line| {
        if line.quantity < 0.005 {
            "< 0.01".to_owned()
        } else if line.quantity < 100.0 && line.quantity.fract() != 0.0 {
            format!("{:.2}", line.quantity)
        } else {
            grouped(format_args!("{:.0}", line.quantity))
        }
    };
    let price = |line: &Line| {
        let price = prices.prices.get(&line.item);
        price.map_or_else(String::new, |price| {
            if price.per > 1.0 {
                format!(
                    "{} for {}",
                    price.usd,
                    grouped(format_args!("{:.0}", price.per))
                )
            } else {
                price.usd.to_string()
            }
        })
    };
    table_of(&[
        column(
            "SERVICE",
            &|line| line.service.to_owned(),
            "in all".to_owned(),
        ),
        column("WHAT", &|line| line.what.to_owned(), String::new()),
        right(column("COUNT", &count, String::new())),
        column("UNIT", &|line| line.unit.clone(), String::new()),
        column("PRICE", &price, String::new()),
        right(column("USD", &|line| money(line.usd), money(bill.usd))),
    ])
}

/// Returns the table of several bills, side by side.
pub(crate) fn comparison_table(bills: &[Bill]) -> TextTable {
    let used = |item: &Item| bills.iter().any(|bill| amount(bill, *item).is_some());
    let items: Vec<Item> = Item::ALL.into_iter().filter(used).collect();
    let column = |name: String, cell: &dyn Fn(Item) -> String, last: String| {
        let cells = items.iter().map(|item| cell(*item));
        let named = [name].into_iter().chain(cells);
        named.chain([last]).collect::<Vec<String>>()
    };
    let (service, what) = ("SERVICE".to_owned(), "WHAT".to_owned());
    let mut columns = vec![
        column(
            service,
            &|item| item.words().0.to_owned(),
            "in all".to_owned(),
        ),
        column(what, &|item| item.words().1.to_owned(), String::new()),
    ];
    columns.extend(bills.iter().map(|bill| {
        let name = match bill.plan.accounts {
            1 => "1 ACCOUNT".to_owned(),
            more => format!("{} ACCOUNTS", grouped(more)),
        };
        let cell = |item| amount(bill, item).map_or_else(|| "-".to_owned(), money);
        right(column(name, &cell, money(bill.usd)))
    }));
    table_of(&columns)
}

fn amount(bill: &Bill, item: Item) -> Option<f64> {
    let line = bill.lines.iter().find(|line| line.item == item);
    line.map(|line| line.usd)
}

/// Returns a table of columns; each column starts with its name.
fn table_of(columns: &[Vec<String>]) -> TextTable {
    let cell = |column: &Vec<String>, row: usize| column.get(row).cloned().unwrap_or_default();
    let mut table = TextTable::named(columns.iter().map(|column| {
        let name = cell(column, 0);
        let cut = match name.as_str() {
            "WHAT" | "UNIT" => Cut::EndAfter(LEAST_TEXT),
            _ => Cut::Never,
        };
        (name, cut)
    }))
    .may_drop(["PRICE"]);
    for row in 1..columns.first().map_or(0, Vec::len) {
        let cells: Vec<Cell> = columns.iter().map(|c| cell(c, row).into()).collect();
        table.add(cells, Vec::new());
    }
    table
}

/// Formats US dollars to the cent.
fn money(usd: f64) -> String {
    if usd > 0.0 && usd < 0.005 {
        return "< 0.01".to_owned();
    }
    let text = format!("{usd:.2}");
    match text.split_once('.') {
        Some((whole, cents)) => format!("{}.{cents}", grouped(whole)),
        None => text,
    }
}

/// Aligns texts to the right.
fn right(texts: Vec<String>) -> Vec<String> {
    let width = texts.iter().map(String::len).max().unwrap_or(0);
    texts
        .into_iter()
        .map(|text| format!("{text:>width$}"))
        .collect()
}
