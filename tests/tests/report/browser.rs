//! A real browser without a window.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any page takes; a browser that hangs is ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks at a page from outside, in frames of some widths: the page itself runs no script.
const LOOK: &str = include_str!("look.js");

/// Chromium, or a browser that takes the same arguments.
pub(crate) struct Browser {
    program: PathBuf,
}

/// What a browser left.
struct Left {
    stdout: String,
    stderr: String,
}

impl Browser {
    /// The one that `CHROMIUM` names, or one on the PATH; says so if there is none.
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
        let usual = [
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ];
        let mut programs = named.into_iter().chain(usual.map(PathBuf::from));
        let answers = |program: &PathBuf| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let program = programs.find(answers);
        if program.is_none() {
            #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
            {
                eprintln!("skipped: no Chromium on the PATH, and CHROMIUM does not name one");
            }
        }
        program.map(|program| Self { program })
    }

    fn run(&self, page: &Path, arguments: &[&str]) -> Left {
        let folder = tempfile::tempdir().unwrap();
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
        let mut child = Command::new(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--enable-logging=stderr",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the browser took more than {PATIENCE:?} for {}", page.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Left {
            stdout: read(&stdout),
            stderr: read(&stderr),
        }
    }

    /// What a page says on the console: errors, and files that it asks for and may not have.
    pub(crate) fn console(&self, page: &Path) -> Vec<String> {
        let left = self.run(page, &["--dump-dom"]);
        assert!(
            left.stdout.contains("</html>"),
            "{}: {}",
            left.stdout,
            left.stderr
        );
        let lines = left.stderr.lines().filter(|line| line.contains(":CONSOLE"));
        lines.map(str::to_owned).collect()
    }

    /// What `look.js` finds out about a page, for each of these widths.
    pub(crate) fn look(&self, page: &Path, widths: &[u32]) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = folder.path().join("look.html");
        let json = |value: Value| value.to_string().replace('<', "\\u003c");
        let page = json(std::fs::read_to_string(page).unwrap().into());
        let widths = json(widths.into());
        let script = format!("<script>const page = {page};\nconst widths = {widths};\n{LOOK}</script>");
        std::fs::write(
            &wrapper,
            format!("<!DOCTYPE html><meta charset=\"utf-8\"><body>{script}</body>"),
        )
        .unwrap();
        let left = self.run(&wrapper, &["--dump-dom", "--virtual-time-budget=20000"]);
        let found = left.stdout.split("<pre id=\"found\">").nth(1);
        let found = found.unwrap_or_else(|| panic!("{} {}", left.stdout, left.stderr));
        let found = found.split("</pre>").next().unwrap();
        let found = found
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        serde_json::from_str(&found).unwrap()
    }

    /// A picture of the top of a page.
    pub(crate) fn screenshot(&self, page: &Path, dark: bool) -> image::RgbImage {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("page.png");
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        let shot = format!("--screenshot={}", picture.display());
        let left = self.run(page, &[&scheme, &shot, "--window-size=1000,1600"]);
        assert!(picture.is_file(), "{}", left.stderr);
        image::open(&picture).unwrap().to_rgb8()
    }

    /// A page as it comes out of a printer.
    pub(crate) fn pdf(&self, page: &Path) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let paper = folder.path().join("page.pdf");
        let left = self.run(page, &[&format!("--print-to-pdf={}", paper.display())]);
        assert!(paper.is_file(), "{}", left.stderr);
        std::fs::read(paper).unwrap()
    }
}
