//! What `gblend check` finds odd about data that can be trained on.

use gblend_tests::Playground;

use crate::playground;

const CONFIG: &str = r#"
[run]
epochs = 1
batch_size = 8
validation = 0

[data]
kind = "manifest"
table = "t.csv"
id = "id"
label = "label"
split = "split"

[data.streams.a]
media = "array"
columns = "a_*"

[data.streams.b]
media = "text"
column = "b"
optional = true

[modality.a]
kind = "vector"

[modality.b]
kind = "text"

[blend]
kind = "equal"
"#;

/// 24 samples of two classes, 16 of them for training; `change` makes other cells of the `a_1`, `a_2`, `b` and `label` of some.
fn checked(change: impl Fn(usize, [String; 4]) -> [String; 4]) -> (Playground, String) {
    let p = playground();
    let mut table = String::from("id,label,split,a_1,a_2,b\n");
    for i in 0..24 {
        let split = if i < 16 { "train" } else { "test" };
        let cells = [
            format!("{}", i * i),
            format!("{}", 7 - i as i32),
            format!("text {i}"),
            ["x", "y"][i % 2].to_owned(),
        ];
        let [first, second, text, label] = change(i, cells);
        table += &format!("s{i},{label},{split},{first},{second},{text}\n");
    }
    p.write("t.csv", table);
    p.write("c.toml", CONFIG);
    let checked = p.succeed(&["check", "c.toml", "--quiet"]);
    (p, checked)
}

/// The row of the table of counts that begins with this.
fn row(checked: &str, name: &str) -> Vec<String> {
    let cells = checked.lines().map(|line| {
        line.split('\u{2502}')
            .chain([""])
            .flat_map(|cell| cell.split('\u{2506}'))
    });
    let mut rows = cells.map(|cells| cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1).is_some_and(|cell| cell == name));
    row.unwrap_or_else(|| unreachable!("{name}: {checked}"))[2..6].to_vec()
}

#[test]
fn data_that_is_sound_is_counted_and_not_warned_of() {
    let (_, checked) = checked(|_, cells| cells);
    assert!(!checked.contains("warning"), "{checked}");
    assert_eq!(row(&checked, "samples"), ["16", "0", "0", "8"]);
    assert_eq!(row(&checked, "class x"), ["8", "0", "0", "4"]);
    assert!(checked.contains("values from -16 to 529"), "{checked}");
    assert!(
        checked.contains("texts of 6 to 7 bytes") && checked.contains("time: about"),
        "{checked}"
    );
}

#[test]
fn what_is_odd_is_told_once_with_a_count_and_an_example() {
    let (p, checked) = checked(|i, [first, mut second, mut text, mut label]| {
        let mut first = first;
        // Two test samples are training samples, one of them with another label.
        if let 20 | 23 = i {
            let twin = i - 20;
            (first, text) = ((twin * twin).to_string(), format!("text {twin}"));
        }
        if i == 23 {
            label = "x".to_owned();
        }
        if i == 5 {
            (label, text) = ("Y".to_owned(), String::new());
        }
        if i == 7 {
            first = String::new();
        }
        second = if !(16..20).contains(&i) {
            "3".to_owned()
        } else {
            second
        };
        [first, second, text, label]
    });
    for part in [
        "warning: test samples that are a training sample, too, in every modality: 2, such as s20 and s0",
        "warning: samples with the contents of another one and not its label: 1, such as s23 and s3",
        "warning: classes whose names are as good as the same: 1, such as `Y` and `y`",
        "warning: classes without a test sample: 1, such as `Y`",
        "warning: columns of `a` with one value in all training samples: 1, such as column 1, which is 3",
        "1 of 48 missing",
    ] {
        assert!(checked.contains(part), "{part}: {checked}");
    }
    assert_eq!(row(&checked, "with b"), ["15", "0", "0", "8"]);
    // What makes a result look better than it is is told in training as well.
    let trained = p.run(&["train", "c.toml", "--quiet"]);
    assert!(
        trained
            .stderr
            .contains("test samples that are a training sample, too"),
        "{}",
        trained.stderr
    );
    assert!(
        !trained.stderr.contains("with one value in all"),
        "{}",
        trained.stderr
    );
}

#[test]
fn blank_pictures_and_shared_ones_are_told() {
    let p = playground();
    let mut table = String::from("id,label,split\n");
    for i in 0..16_usize {
        let split = if i < 12 { "train" } else { "test" };
        table += &format!("s{i},{},{split}\n", ["x", "y"][i % 2]);
        // The last is the picture of the first, and the second is blank.
        let shown = if i == 15 { 0 } else { i };
        let picture = image::RgbImage::from_fn(8, 8, |x, y| match i {
            1 => image::Rgb([7, 7, 7]),
            _ => image::Rgb([x as u8 * 20, y as u8 * 20, shown as u8 * 9]),
        });
        picture.save(p.path(&format!("s{i}.png"))).unwrap();
        p.write(&format!("s{i}.txt"), format!("number {i}"));
    }
    p.write("t.csv", table);
    let config = CONFIG
        .replace(
            "media = \"array\"\ncolumns = \"a_*\"",
            "media = \"frames\"\npath = \"{id}.png\"",
        )
        .replace("column = \"b\"\noptional = true", "path = \"{id}.txt\"")
        .replace("kind = \"vector\"", "kind = \"rgb\"\nencoder.channels = [4]");
    p.write("c.toml", config);
    let checked = p.succeed(&["check", "c.toml", "--quiet"]);
    assert!(
        checked.contains("test samples with the `a` of a training sample: 1, such as s15 and s0"),
        "{checked}"
    );
    assert!(
        checked.contains("samples of `a` with one value everywhere: 1, such as s1"),
        "{checked}"
    );
}

#[test]
fn one_class_is_told_by_whoever_trains_on_it() {
    let p = playground();
    let rows: String = (0..12)
        .map(|i| format!("s{i},x,{},{i},{i},t\n", if i < 8 { "train" } else { "test" }))
        .collect();
    p.write("t.csv", format!("id,label,split,a_1,a_2,b\n{rows}"));
    p.write("c.toml", CONFIG);
    let told = "one class alone, `x`";
    assert!(p.succeed(&["check", "c.toml", "--quiet"]).contains(told));
    let trained = p.run(&["train", "c.toml", "--out", "run"]);
    assert!(
        trained.code == Some(0) && trained.stderr.contains(told),
        "{trained:?}"
    );
}
