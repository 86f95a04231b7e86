//! Files of pyarrow, stored by `xtask/peers/tables.py`, whole and damaged.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const CSV: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/table.csv");
const JSON_LINES: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/table.jsonl");
/// With dictionaries.
const SNAPPY: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/snappy.parquet");
/// Without dictionaries, in pages of the second version.
const ZSTD: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/zstd.parquet");
const PLAIN: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/plain.parquet");
const NESTED_COLUMNS: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/nested.parquet");
const NUMBERS: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/numbers.parquet");
const EMBEDDED: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/embedded.parquet");
const GZIP: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/gzip.parquet");
const DELTA: &[u8] = include_bytes!("../../../../../tests/fixtures/tables/delta.parquet");

/// Columns of `numbers.parquet`.
const LISTS: [&str; 8] = [
    "flat", "fixed", "half", "small", "large", "series", "truth", "words",
];

fn parsed(bytes: &[u8], labels: Option<&str>) -> Result<Table> {
    let nested = Nested {
        labels,
        numbers: &LISTS,
        files: &["image", "audio", "plain"],
    };
    read("t.parquet", bytes.to_vec(), nested)
}

#[test]
fn lists_of_numbers_are_those_that_pyarrow_wrote() {
    let table = parsed(NUMBERS, None).unwrap();
    let list = |column: &str, row| table.list(row, table.column(column, "column").unwrap());
    let same = |column: &str, row: usize, shape: &[usize], expected: &[f32]| {
        let (found_shape, found) = list(column, row).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            (&found_shape[..], bits(&found)),
            (shape, bits(expected)),
            "{column} {row}"
        );
    };
    same("flat", 0, &[3], &[1.5, f32::NAN, f32::NAN]);
    same("flat", 2, &[1], &[-0.0]);
    same("fixed", 0, &[2], &[1e-3, 2.0]);
    same("fixed", 2, &[2], &[5.0, 6.0]);
    same("half", 1, &[1], &[65504.0]);
    same("small", 0, &[2], &[1.0, 2.0]);
    same("series", 0, &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    same("series", 1, &[1, 2], &[7.0, 8.0]);
    same("truth", 0, &[2], &[1.0, 0.0]);
    for (column, row, part) in [
        ("flat", 1, "is empty, expected a list"),
        ("small", 1, "empty list"),
        ("large", 0, "at position 0"),
        ("large", 2, "has inf at position 0"),
        ("series", 2, "ragged"),
        ("words", 0, "text `1`"),
    ] {
        let problem = list(column, row).unwrap_err();
        assert!(problem.contains(part), "{column} {row}: {problem}");
    }
    // Who does not ask for numbers gets none.
    let plain = read("t.parquet", NUMBERS.to_vec(), Nested::default()).unwrap();
    assert!(plain.column("flat", "column").is_err() && plain.column("id", "column").is_ok());
}

fn values(table: &Table, column: &str) -> Vec<String> {
    let column = table.column(column, "id").unwrap();
    (0..table.len())
        .map(|row| table.value(row, column).to_owned())
        .collect()
}

#[test]
fn the_same_rows_are_the_same_table_in_every_format() {
    let csv = Table::csv("t", CSV).unwrap();
    let lines = Table::json_lines(
        "t",
        JSON_LINES,
        Nested {
            labels: Some("tags"),
            ..Nested::default()
        },
    )
    .unwrap();
    for bytes in [SNAPPY, ZSTD, PLAIN] {
        let table = parsed(bytes, Some("tags")).unwrap();
        assert_eq!((table.columns(), table.len()), (csv.columns(), 10));
        assert_eq!(table.place(6), "t.parquet: row 7");
        for column in table.columns() {
            let found = values(&table, column);
            if column != "tags" {
                assert_eq!(found, values(&csv, column), "{column}");
            }
            assert_eq!(found, values(&lines, column), "{column}");
        }
    }
}

#[test]
fn a_nested_column_is_refused_where_it_is_used_alone() {
    let table = parsed(SNAPPY, None).unwrap();
    assert_eq!(values(&table, "id")[9], "clip-9");
    let error = table.column("tags", "label").unwrap_err().to_string();
    assert_eq!(error, format!("t.parquet: row 1: `tags` {NESTED}"));
    let table = parsed(NESTED_COLUMNS, Some("grid")).unwrap();
    assert_eq!(values(&table, "id"), ["a", "b"]);
    for (column, part) in [
        ("box", "a list or an object"),
        ("grid", "a list or an object"),
        ("bag", "a list or an object"),
        ("marks", "a list or an object"),
        ("picture", "holds bytes"),
    ] {
        let error = table.column(column, "label").unwrap_err().to_string();
        assert!(error.contains(column) && error.contains(part), "{error}");
    }
    let error = parsed(NESTED_COLUMNS, Some("marks")).unwrap_err().to_string();
    assert_eq!(error, format!("t.parquet: row 2: `marks` {NESTED}"));
}

#[test]
fn files_in_cells_are_those_that_pyarrow_wrote() {
    let table = parsed(EMBEDDED, None).unwrap();
    let column = |name: &str| table.column(name, "column").unwrap();
    let file = |name: &str, row| table.file(row, column(name));
    for row in 0..24 {
        let image = file("image", row).unwrap();
        assert!(image.starts_with(b"\x89PNG") && image.ends_with(b"IEND\xAE\x42\x60\x82"));
        assert_eq!(table.value(row, column("image")), format!("{row}.png"));
        assert_eq!(table.value(row, column("audio")), "");
        assert_eq!(file("audio", row).unwrap().len(), 44 + 2 * 400);
        assert_eq!(file("plain", row), (row != 5).then_some(image));
    }
    // Who does not ask for files gets none.
    let plain = read("t.parquet", EMBEDDED.to_vec(), Nested::default()).unwrap();
    assert!(plain.column("image", "column").is_err() && plain.column("plain", "column").is_err());
}

#[test]
fn what_is_not_read_is_named_with_what_is() {
    let error = parsed(GZIP, None).unwrap_err().to_string();
    assert!(
        error.contains("`id`") && error.contains("GZIP") && error.contains("zstd"),
        "{error}"
    );
    let error = parsed(DELTA, None).unwrap_err().to_string();
    assert!(
        error.contains("DELTA_BYTE_ARRAY") && error.contains("dictionary"),
        "{error}"
    );
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for bytes in [SNAPPY, ZSTD] {
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            let error = parsed(&bytes[..length], None).unwrap_err().to_string();
            assert!(error.contains("not a whole Parquet file"), "{length}: {error}");
        }
    }
}

#[test]
fn a_size_that_a_page_only_claims_is_not_set_aside() {
    // Type 0, and 2³¹ − 2 bytes when unpacked.
    let header = [0x15, 0, 0x15, 0xFC, 0xFF, 0xFF, 0xFF, 0x0F, 0x15, 0];
    assert_eq!(pages::unpacked_size(&header), Some((1 << 31) - 2));
    assert_eq!(pages::unpacked_size(&header[..4]), None);
    // A negative size, and a header that begins with another field.
    assert_eq!(pages::unpacked_size(&[0x15, 0, 0x15, 1]), None);
    assert_eq!(pages::unpacked_size(&[0x35, 0]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_bytes_are_a_table_or_an_error(
        which in 0_usize..5,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        lists: bool,
    ) {
        let mut bytes = [SNAPPY, ZSTD, PLAIN, NESTED_COLUMNS, EMBEDDED][which].to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parsed(&bytes, lists.then_some("tags"));
    }

    #[test]
    fn a_damaged_footer_is_a_table_or_an_error(
        // The footer is where sizes and offsets are; its own length stands in the last eight bytes.
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lists: bool,
    ) {
        let mut bytes = PLAIN.to_vec();
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        for (at, value) in damage {
            bytes[end - length + at.index(length)] = value;
        }
        let _ = parsed(&bytes, lists.then_some("tags"));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let framed = [b"PAR1", &bytes[..], &(bytes.len() as u32).to_le_bytes(), b"PAR1"].concat();
        let _ = parsed(&framed, None);
        let _ = pages::unpacked_size(&bytes);
    }
}
