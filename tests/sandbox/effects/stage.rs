//! Once around: observe, plan, let the model apply the plan to what was observed, apply it for real,
//! observe again, compare.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use a3::apply::{Job, Stop, apply};
use a3::load::load;
use a3::observe::secrets::Consent;
use a3::observe::{Need, World, observe, observe_built};
use a3::observed::{HostSeen, Observed, Seen};
use a3::plan::rollback::{Back, past};
use a3::plan::step::Plan;
use a3::plan::{Destroy, Options, Order, Verb, plan, plan_destroy, plan_order};
use a3::spec::Spec;

use super::{lines, ways};
use crate::support::simulate::{self, Disks};

/// What a person wants.
pub(super) enum Wish {
    Apply(Options),
    Destroy(Destroy),
    Order(Verb, Vec<String>),
    Back,
}

/// Said by the process before each step; it goes on when it is told to.
pub(super) const TURN: &str = "turn";

/// No process is at work for longer.
const LIMIT: Duration = Duration::from_secs(400);

pub(super) struct Stage {
    began: Instant,
    folder: PathBuf,
    /// The id of the instance that was last seen in the first slot.
    pub(super) machine: String,
    /// Which ways were compared.
    ways: BTreeSet<String>,
    /// Where the model and the sandbox did not come to the same.
    wrong: Vec<String>,
    /// What machines had on their disks when they were last seen.
    disks: Disks,
}

impl Stage {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            began: Instant::now(),
            folder,
            machine: String::new(),
            ways: BTreeSet::new(),
            wrong: Vec::new(),
            disks: Disks::new(),
        }
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    #[track_caller]
    pub(super) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.join("deploy.yaml")).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        self.write("deploy.yaml", &text.replace(from, to));
    }

    /// At the end of the spec.
    pub(super) fn append(&self, text: &str) {
        let spec = std::fs::read_to_string(self.folder.join("deploy.yaml")).unwrap();
        self.write("deploy.yaml", &(spec + text));
    }

    /// The model and the sandbox come to the same.
    pub(super) async fn applies(&mut self, what: &str) {
        self.goes(what, Wish::Apply(Options::default())).await;
    }

    pub(super) async fn goes(&mut self, what: &str, wish: Wish) {
        say(TURN);
        std::io::stdin().read_line(&mut String::new()).unwrap();
        assert!(self.began.elapsed() < LIMIT, "{what} would begin after {LIMIT:?}");
        let began = Instant::now();
        let spec = load(&[self.folder.join("deploy.yaml")], &[]).unwrap().spec;
        let (spec, world, seen, planned) = Self::looks(spec, &wish).await;
        assert!(planned.blocked.is_empty(), "{what}: {:?}", planned.blocked);
        assert!(!planned.steps.is_empty(), "{what}");
        let model = simulate::apply_plan_on(&spec, &seen, &planned, &self.disks);
        let stop = Stop::on_signals().unwrap();
        let (events, confirm) = (|_| {}, |_: &_, _: &[_]| true);
        let job = Job {
            spec: &spec,
            observed: &seen,
            plan: &planned,
            world: &world,
            stop: &stop,
            events: &events,
            confirm: &confirm,
        };
        let summary = apply(job).await;
        let wrong = self.wrong.join("\n\n");
        assert_eq!((summary.failed, summary.skipped), (0, 0), "{what}: {summary:?}\n{wrong}");
        let (_, _, real, _) = Self::looks(spec.clone(), &wish).await;
        self.remember(&real);
        let model = lines::of(&spec.name, &model, &lines::Names::of(&model, &seen));
        let real = lines::of(&spec.name, &real, &lines::Names::of(&real, &seen));
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
        let (invented, missed) = (only(&model, &real), only(&real, &model));
        if !invented.is_empty() || !missed.is_empty() {
            self.wrong.push(format!("{what}:\nthe model only: {invented:#?}\nreality only: {missed:#?}"));
        }
        say(&format!("{:.1} s {what}", began.elapsed().as_secs_f32()));
        self.ways.extend(ways::of(&spec, &planned));
    }

    /// Everything that was compared came to the same; says which ways that were.
    pub(super) fn ends(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n\n"));
        self.ways.iter().for_each(|way| say(&format!("way: {way}")));
    }

    /// The world as such a wish sees it, and what would be done.
    async fn looks(spec: Spec, wish: &Wish) -> (Spec, World, Observed, Plan) {
        let need = if matches!(wish, Wish::Apply(_)) { Need::Everything } else { Need::Machines };
        let mut world = World::open(&spec, need, Consent { commands: false }).await;
        let mut seen = observe(&spec, &world).await;
        if matches!(wish, Wish::Destroy(Destroy { images: true, .. })) {
            seen.built = observe_built(&world).await;
        }
        let mut spec = spec;
        let planned = match wish {
            Wish::Apply(options) => plan(&spec, &seen, options),
            Wish::Destroy(destroy) => plan_destroy(&spec, &seen, destroy),
            Wish::Order(verb, services) => plan_order(&spec, &seen, &order(&spec, *verb, services)),
            Wish::Back => {
                if spec.rollback.is_none() {
                    spec = past(&spec, &seen, &Back::default()).unwrap().spec;
                }
                world = World::open(&spec, Need::Everything, Consent { commands: false }).await;
                seen = observe(&spec, &world).await;
                plan(&spec, &seen, &Options::default())
            }
        };
        (spec, world, seen, planned)
    }

    fn remember(&mut self, real: &Observed) {
        let clouds = real.clouds.values().filter_map(Seen::present);
        let live = clouds.flat_map(|cloud| &cloud.instances).find(|one| one.state.is_live());
        self.machine = live.map(|one| one.id.clone()).unwrap_or_default();
        let ready = real.hosts.iter().filter_map(|(slot, seen)| Some((slot.clone(), seen.facts()?.clone())));
        self.disks.extend(ready.collect::<Vec<_>>());
        self.disks.retain(|slot, _| matches!(real.hosts.get(slot), Some(HostSeen::Ready(_))));
    }
}

/// To the process that started this one.
fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

fn order(spec: &Spec, verb: Verb, services: &[String]) -> Order {
    Order {
        verb,
        services: services.iter().cloned().collect(),
        slots: spec.slots().map(|(slot, _)| slot).collect(),
        timeout: Some(1),
        stop: true,
    }
}
