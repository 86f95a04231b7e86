//! Files that stand for others, compressed as a whole, as a pointer or as the page of a download that went wrong, which nothing
//! here reads: by how they begin.

use std::io::{self, Read};

/// How to undo what was done to a file that begins like this, as far as it is known.
struct Compression {
    name: &'static str,
    begins: &'static [u8],
    undo: &'static str,
}

const KNOWN: [Compression; 5] = [
    Compression {
        name: "gzip",
        begins: &[0x1F, 0x8B, 8],
        undo: "gzip -dk",
    },
    Compression {
        name: "zstd",
        begins: &[0x28, 0xB5, 0x2F, 0xFD],
        undo: "zstd -d",
    },
    Compression {
        name: "bzip2",
        begins: b"BZh91AY&SY",
        undo: "bzip2 -dk",
    },
    Compression {
        name: "xz",
        begins: &[0xFD, b'7', b'z', b'X', b'Z', 0],
        undo: "xz -dk",
    },
    Compression {
        name: "zip",
        begins: b"PK\x03\x04",
        undo: "unzip",
    },
];

/// How a file begins, as far as [`told()`] has to know it: white space, and what follows it.
///
/// # Errors
/// If it cannot be read.
pub(super) fn head(file: &mut impl Read) -> io::Result<Vec<u8>> {
    /// More bytes than anything here is told by.
    const ENOUGH: usize = 64;
    let mut head = Vec::new();
    loop {
        // Twice as many each time, as all of them are looked at.
        let more = head.len().max(ENOUGH) as u64;
        let read = file.take(more).read_to_end(&mut head)? as u64;
        if read < more || head.trim_ascii_start().len() >= ENOUGH {
            return Ok(head);
        }
    }
}

/// What to say of a file that begins with these bytes, if it is a pointer to one that was not fetched.
pub(super) fn pointer(head: &[u8]) -> Option<&'static str> {
    head.starts_with(b"version https://git-lfs.github.com/spec/")
        .then_some("is a pointer of Git LFS, and not the file itself; `git lfs pull` fetches that")
}

/// What to say of a file that begins with these bytes and is no text, if another one was meant: as [`pointer()`], or a web page.
pub(super) fn stand_in(head: &[u8]) -> Option<&'static str> {
    let page = ["<!doctype html", "<html"].iter().any(|tag| {
        let begins = head.trim_ascii_start().get(..tag.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(tag.as_bytes()))
    });
    let page = page.then_some(
        "is a web page, and not the file itself, as a download leaves that went wrong; fetch it again",
    );
    pointer(head).or(page)
}

/// What to say of a file of this name that begins with these bytes, if it is compressed.
pub(super) fn told(name: &str, head: &[u8]) -> Option<String> {
    if let Some(problem) = stand_in(head) {
        return Some(problem.to_owned());
    }
    let found = KNOWN.iter().find(|one| head.starts_with(one.begins))?;
    Some(format!(
        "is compressed with {}, and is read only as it was before; unpack it (`{} {name}`) and name what comes out",
        found.name, found.undo
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{head, told};

    #[test]
    fn a_pointer_is_told_as_one() {
        let text = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n";
        assert!(told("a.csv", text).unwrap().contains("git lfs pull"));
        assert!(told("a.csv", b"version,label\n").is_none());
    }

    #[test]
    fn a_web_page_in_place_of_a_file_is_told_as_one() {
        for text in [&b"<!DOCTYPE html><html>404</html>"[..], b"\r\n <HTML lang=en>"] {
            assert!(told("a.tar", text).unwrap().contains("a web page"));
        }
        assert_eq!(told("a.csv", b"<htm>,label"), None);
    }

    #[test]
    fn the_head_of_a_file_tells_what_the_whole_does() {
        let blank = " \r\n".repeat(5000);
        let page = format!("{blank}<!doctype html>{blank}");
        let rows = format!("{blank}id,label\n{}", "a,1\n".repeat(5000));
        let pointer = format!("version https://git-lfs.github.com/spec/v1\n{blank}");
        for (whole, is_told) in [(&page, true), (&rows, false), (&pointer, true), (&blank, false)] {
            let head = head(&mut whole.as_bytes()).unwrap();
            assert!(whole.as_bytes().starts_with(&head));
            assert_eq!(told("a.csv", &head), told("a.csv", whole.as_bytes()));
            assert_eq!(told("a.csv", &head).is_some(), is_told);
        }
        assert_eq!(head(&mut &rows.as_bytes()[blank.len()..]).unwrap().len(), 64);
    }

    #[test]
    fn what_undoes_it_is_told() {
        let gzip = told("a.tar.gz", &[0x1F, 0x8B, 8, 0]).unwrap();
        assert!(
            gzip.contains("with gzip") && gzip.contains("`gzip -dk a.tar.gz`"),
            "{gzip}"
        );
        assert!(
            told("a.tar.zst", &[0x28, 0xB5, 0x2F, 0xFD, 0])
                .unwrap()
                .contains("zstd -d")
        );
        assert_eq!(told("a.tar", b"0000.png\0"), None);
        assert_eq!(told("a.tar", b""), None);
    }
}
