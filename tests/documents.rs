//! Receipts and statements as documents: the same data give the same bytes, everything can be read
//! and selected, and long ones go on over many pages.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "a failing test fails loudly")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::{DateTime, Utc};
use coffer::documents::receipt::Receipt;
use coffer::documents::statement::{MOST_ROWS, Row, Statement};

fn time() -> DateTime<Utc> {
    "2026-03-01T09:30:05Z".parse().unwrap()
}

fn receipt() -> Receipt {
    Receipt {
        title: "Transfer to bela".to_owned(),
        amount: "−1,250.00 GOLD".to_owned(),
        facts: vec![
            ("Kind", "Transfer".to_owned()),
            ("From", "alice".to_owned()),
            ("To", "bela".to_owned()),
            ("Time", "1 Mar 2026, 09:30:05 UTC".to_owned()),
            (
                "Description",
                "Café ₹ 李小 Ωμέγα Привет ő and a text so long that it cannot stand in one line of the table"
                    .to_owned(),
            ),
            ("Number", "01950f2e-7a40-7000-8000-000000000001".to_owned()),
        ],
        owner: "alice".to_owned(),
        balances: ["2,000.00 GOLD", "−1,250.00 GOLD", "750.00 GOLD"].map(str::to_owned),
        code: "ABCD-EFGH-JKLM-NPQR".to_owned(),
        address: "https://wallet.example.org".to_owned(),
        time: time(),
    }
}

fn statement(rows: usize) -> Statement {
    Statement {
        title: "GOLD · Gold coins".to_owned(),
        owner: "alice".to_owned(),
        period: "1 Jan 2026 to 31 Mar 2026 (UTC)".to_owned(),
        totals: ["0.00", "12,500.00", "1,250.00", "11,250.00"].map(str::to_owned),
        rows: (1..=rows)
            .map(|number| Row {
                time: "1 Mar 2026, 09:30:05".to_owned(),
                title: format!("Transfer to user_{number}"),
                description: match number % 3 {
                    0 => "Thank you very much for the dinner, the taxi and for the flowers ₹ 李 which were lovely"
                        .to_owned(),
                    1 => String::new(),
                    _ => "Thank you".to_owned(),
                },
                amount: format!("−{number}.00"),
                balance: format!("{number}.00"),
            })
            .collect(),
        address: "https://wallet.example.org".to_owned(),
        time: time(),
    }
}

/// A file of its own for each test.
fn keep(name: &str, pdf: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pdf"));
    fs::write(&path, pdf).unwrap();
    path
}

/// What pdftotext reads, as it stands on the pages.
fn text(name: &str, pdf: &[u8]) -> String {
    let path = keep(name, pdf);
    let output = Command::new("pdftotext").arg("-layout").arg(path).arg("-").output().expect("pdftotext is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_data_give_the_same_bytes() {
    assert_eq!(receipt().pdf().unwrap(), receipt().pdf().unwrap());
    assert_eq!(statement(100).pdf().unwrap(), statement(100).pdf().unwrap());
    let other = Receipt { code: "ZZZZ-EFGH-JKLM-NPQR".to_owned(), ..receipt() };
    assert_ne!(receipt().pdf().unwrap(), other.pdf().unwrap());
}

#[test]
fn a_receipt_is_small_and_can_be_read() {
    let pdf = receipt().pdf().unwrap();
    assert!(pdf.len() < 40_000, "{} bytes", pdf.len());
    let text = text("receipt", &pdf);
    for part in [
        "−1,250.00 GOLD",
        "Transfer to bela",
        "Café ₹ [U+674E U+5C0F] Ωμέγα Привет ő",
        "750.00 GOLD",
        "ABCD-EFGH-JKLM-NPQR",
        "https://wallet.example.org/verify/ABCD-EFGH-JKLM-NPQR",
        "Page 1 of 1",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn the_largest_amounts_and_longest_words_stay_on_the_paper() {
    let largest = "−1,000,000,000,000.0000 ABCDEFGHIJKL";
    let fullest = "999,999,999,999,999.9999 ABCDEFGHIJKL";
    let long = "x".repeat(500);
    let pdf = Receipt {
        title: long.clone(),
        amount: largest.to_owned(),
        facts: vec![("Description", long)],
        owner: "u".repeat(64),
        balances: [fullest, largest, fullest].map(str::to_owned),
        address: format!("https://{}.example.org", "a".repeat(200)),
        ..receipt()
    }
    .pdf()
    .unwrap();
    let text = text("long", &pdf);
    assert!(text.contains(largest) && text.contains("Page 1 of 1"), "{text}");
}

#[test]
fn a_long_statement_has_its_head_and_number_on_each_page() {
    let pdf = statement(200).pdf().unwrap();
    let text = text("statement", &pdf);
    let pages = text.matches("Date and time (UTC)").count();
    assert!(pages > 3, "{pages} pages");
    for page in 1..=pages {
        assert!(text.contains(&format!("Page {page} of {pages}")), "page {page} of {pages}");
    }
    assert!(text.contains("Transfer to user_1\n") || text.contains("Transfer to user_1 "), "{text}");
    assert!(text.contains("Transfer to user_200"), "{text}");
}

#[test]
fn an_empty_statement_says_so() {
    let text = text("empty", &statement(0).pdf().unwrap());
    assert!(text.contains("Nothing came or went in this period.") && text.contains("Page 1 of 1"), "{text}");
}

#[test]
fn the_longest_statement_can_be_made() {
    let pdf = statement(MOST_ROWS).pdf().unwrap();
    assert!(pdf.len() < 20_000_000, "{} bytes", pdf.len());
    keep("longest", &pdf);
}
