//! Which cells a comparison has.

use std::path::{Path, PathBuf};

use gblend_core::{Role, catalogue};

use super::draws::{Draw, draws};
use super::method::Method;
use super::simplex::grid;
use crate::config::{Config, ModalityConfig, Override};
use crate::error::{Error, Result};
use crate::records::{LeftOut, TestedOn, Tuned};

/// What is compared.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The methods. Every modality alone, the joint loss alone and equal weights are always among them, as what others
    /// are measured by.
    pub methods: Vec<Method>,
    /// How many seeds, from the configuration's on.
    pub seeds: usize,
    /// Tests so many folds in turn, one with each seed, in place of the same test samples with all.
    pub folds: Option<usize>,
    /// Also every combination of two modalities and more.
    pub subsets: bool,
    /// Also every kind of fusion.
    pub fusions: bool,
    /// Also fixed weights on a grid with so many steps.
    pub simplex: Option<usize>,
}

/// A row of the table, or a point of the simplex.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) method: Method,
    pub(super) modalities: Vec<String>,
    pub(super) fusion: String,
}

/// One entry with one seed: one run.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) entry: usize,
    pub(super) seed: u64,
    /// As TOML, with every default written out.
    pub(super) config: String,
    /// Relative to the comparison's folder.
    pub(super) folder: String,
    /// What messages call it.
    pub(super) label: String,
}

/// The settings that an entry is compared with.
#[derive(Debug)]
pub(super) enum Choice {
    /// Those of the configuration.
    Own,
    /// Those that were chosen by validation, and how.
    Tuned(Vec<Override>, Tuned),
    /// There are none that it can be trained with.
    Failed(String),
}

/// What was chosen for the entries.
#[derive(Debug)]
pub(super) enum Choices {
    /// For all draws alike.
    OfAll(Vec<Choice>),
    /// For each draw, whose test is in the training samples of others.
    OfEach(Vec<Vec<Choice>>),
}

impl Choices {
    /// For an entry with the draw at this position.
    fn of(&self, draw: usize, entry: usize) -> Option<&Choice> {
        match self {
            Self::OfAll(choices) => choices.get(entry),
            Self::OfEach(choices) => choices.get(draw)?.get(entry),
        }
    }

    /// What an entry was tuned to, in the order of the draws.
    fn tuned(&self, entry: usize) -> Vec<Tuned> {
        let choices: Vec<&Choice> = match self {
            Self::OfAll(choices) => choices.get(entry).into_iter().collect(),
            Self::OfEach(choices) => choices.iter().filter_map(|choices| choices.get(entry)).collect(),
        };
        let tuned = choices.into_iter().filter_map(|choice| match choice {
            Choice::Tuned(_, tuned) => Some(tuned.clone()),
            Choice::Own | Choice::Failed(_) => None,
        });
        tuned.collect()
    }
}

/// Everything that is to be run.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    /// What each entry was tuned to: once, or with every seed that has another test.
    pub(super) tuned: Vec<Vec<Tuned>>,
    pub(super) seeds: Vec<u64>,
    pub(super) folds: Option<usize>,
    /// Seed by seed, so that an interrupted comparison is whole for some seeds; within one, what others need comes
    /// first.
    pub(super) cells: Vec<Cell>,
    pub(super) left_out: Vec<LeftOut>,
}

/// What runs on subsets of the modalities, and under other fusions.
const VARIED: [Method; 3] = [Method::Joint, Method::Equal, Method::Ogr];

impl Entry {
    /// A folder's name that no other entry has.
    pub(super) fn folder(&self, base: &Config) -> String {
        let mut name = self.method.name();
        if self.modalities.len() < base.modalities.len() {
            if !matches!(self.method, Method::Single(_)) {
                name = format!("{name}@{}", self.modalities.join("+"));
            }
        } else if self.fusion != base.fusion.plugin.typetag_name() {
            name = format!("{name}@{}", self.fusion);
        }
        as_folder(&name)
    }

    /// What tables and messages call it.
    pub(super) fn label(&self, base: &Config) -> String {
        let name = self.method.name();
        if matches!(self.method, Method::Single(_)) {
            name
        } else if self.modalities.len() < base.modalities.len() {
            format!("{name} on {}", self.modalities.join(" + "))
        } else if self.fusion == base.fusion.plugin.typetag_name() {
            name
        } else {
            format!("{name} with fusion {}", self.fusion)
        }
    }

    /// Whether it trains this modality alone.
    pub(super) fn is_single(&self, modality: &str) -> bool {
        matches!(&self.method, Method::Single(name) if name == modality)
    }

    /// What it changes in the configuration of the comparison. `single` gives the run folder of a modality that was trained
    /// alone with this seed.
    pub(super) fn overrides(
        &self,
        base: &Config,
        single: impl Fn(&str) -> String,
        draw: &Draw,
    ) -> Vec<Override> {
        let mut overrides = Vec::new();
        if !matches!(self.method, Method::Single(_)) {
            let left_out = base
                .modalities
                .iter()
                .filter(|modality| !self.modalities.contains(&modality.name));
            overrides.extend(left_out.map(|modality| Override::without(&["modality", &modality.name])));
        }
        overrides.push(Override::new(&["fusion", "kind"], self.fusion.as_str()));
        overrides.extend(self.method.overrides(base, single));
        overrides.extend(draw.overrides());
        overrides
    }
}

impl Plan {
    /// Plans a comparison of `base`, which `folder/config.toml` holds, and reads the configuration of every cell. There is a
    /// choice for each entry, for all draws or for each.
    ///
    /// # Errors
    /// The first configuration that cannot be used, unless its fusion is one of those that nobody named;
    /// [`Error::Usage`] if what is asked for does not go together.
    pub(super) fn new(
        base: &Config,
        folder: &Path,
        scope: &Scope,
        entries: Vec<Entry>,
        choices: &Choices,
    ) -> Result<Self> {
        let draws = draws(base, scope.seeds, scope.folds)?;
        let mut plan = Self {
            tuned: (0..entries.len()).map(|entry| choices.tuned(entry)).collect(),
            entries,
            seeds: draws.iter().map(|draw| draw.seed).collect(),
            folds: scope.folds,
            cells: Vec::new(),
            left_out: Vec::new(),
        };
        let base_file = folder.join("config.toml");
        let cells = std::path::absolute(folder.join("cells")).map_err(Error::read(folder))?;
        for (position, draw) in draws.iter().enumerate() {
            let seed = draw.seed;
            let single = |modality: &str| {
                let name = as_folder(&Method::Single(modality.to_owned()).name());
                let folder = cells.join(name).join(format!("seed-{seed}"));
                folder.to_string_lossy().into_owned()
            };
            for (index, entry) in plan.entries.iter().enumerate() {
                let mut overrides = entry.overrides(base, single, draw);
                match choices.of(position, index) {
                    None | Some(Choice::Own) => {}
                    Some(Choice::Tuned(chosen, _)) => overrides.extend_from_slice(chosen),
                    Some(Choice::Failed(problem)) => {
                        plan.left_out.push(LeftOut {
                            method: entry.label(base),
                            seed,
                            problem: problem.clone(),
                        });
                        continue;
                    }
                }
                let own_fusion = entry.fusion == base.fusion.plugin.typetag_name();
                match Config::of_run(&base_file, &overrides) {
                    Ok(config) => plan.cells.push(Cell {
                        entry: index,
                        seed,
                        config: config.to_toml()?,
                        folder: format!("cells/{}/seed-{seed}", entry.folder(base)),
                        label: format!("{}, {}", entry.label(base), draw.label()),
                    }),
                    Err(error) if own_fusion => return Err(error.into()),
                    Err(error) => plan.left_out.push(LeftOut {
                        method: format!("{} with fusion {}", entry.method.name(), entry.fusion),
                        seed,
                        problem: error.to_string(),
                    }),
                }
            }
        }
        Ok(plan)
    }

    /// What seeds are tested on.
    pub(super) fn tested_on(&self) -> TestedOn {
        self.folds.map_or(TestedOn::ItsOwn, TestedOn::Folds)
    }

    /// Whether `cell` cannot begin before `other` is done.
    pub(super) fn waits_for(&self, cell: &Cell, other: &Cell) -> bool {
        let (method, needed) = (
            &self.entries[cell.entry].method,
            &self.entries[other.entry].method,
        );
        cell.seed == other.seed && method.needs(needed)
    }
}

/// The rows of the table, and the points of the simplex.
///
/// # Errors
/// [`Error::Usage`] if what is asked for does not go together.
pub(super) fn entries(base: &Config, scope: &Scope) -> Result<Vec<Entry>> {
    if scope.seeds == 0 {
        return Err(Error::Usage("--seeds 0: expected at least 1".into()));
    }
    let modalities: Vec<String> = base
        .modalities
        .iter()
        .map(|modality| modality.name.clone())
        .collect();
    let fusion = base.fusion.plugin.typetag_name().to_owned();
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |method: Method, modalities: &[String], fusion: &str| {
        let modalities = match &method {
            Method::Single(name) => vec![name.clone()],
            _ => modalities.to_vec(),
        };
        let entry = Entry {
            method,
            modalities,
            fusion: fusion.to_owned(),
        };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    };
    for modality in &modalities {
        let own = base.modalities.iter().find(|known| known.name == *modality);
        if own.is_none_or(ModalityConfig::is_trained_alone) {
            add(Method::Single(modality.clone()), &modalities, &fusion);
        }
    }
    let asked_for = |method: &&Method| !matches!(method, Method::Single(_));
    for baseline in [Method::Joint, Method::Equal] {
        if !scope.methods.contains(&baseline) {
            add(baseline, &modalities, &fusion);
        }
    }
    for method in scope.methods.iter().filter(asked_for) {
        add(method.clone(), &modalities, &fusion);
    }
    if scope.subsets {
        for subset in subsets(&modalities) {
            VARIED
                .into_iter()
                .for_each(|method| add(method, &subset, &fusion));
        }
    }
    if scope.fusions {
        for plugin in catalogue()?.of(Role::Fusion) {
            VARIED
                .into_iter()
                .for_each(|method| add(method, &modalities, plugin.kind));
        }
    }
    if let Some(steps) = scope.simplex {
        add(Method::Ogr, &modalities, &fusion);
        for weights in grid(modalities.len() + 1, steps)? {
            add(Method::Fixed(weights), &modalities, &fusion);
        }
    }
    let mut folders: Vec<PathBuf> = entries.iter().map(|entry| entry.folder(base).into()).collect();
    folders.sort();
    if let Some(twice) = folders.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Usage(format!(
            "two methods are called `{}`; name one of them otherwise",
            twice[0].display()
        )));
    }
    Ok(entries)
}

/// A name as every file system takes it.
fn as_folder(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_alphanumeric() || "-_.@+".contains(letter) {
            letter
        } else {
            '-'
        }
    };
    name.chars().map(safe).collect()
}

/// Every combination of at least two, the largest last.
fn subsets(modalities: &[String]) -> Vec<Vec<String>> {
    let count = modalities.len().min(usize::BITS as usize - 1);
    let mut subsets: Vec<Vec<String>> = (1_usize..1 << count)
        .map(|bits| {
            (0..count)
                .filter(|k| bits >> k & 1 == 1)
                .map(|k| modalities[k].clone())
                .collect()
        })
        .filter(|subset: &Vec<String>| subset.len() > 1)
        .collect();
    subsets.sort_by_key(Vec::len);
    subsets
}
