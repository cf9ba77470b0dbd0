//! Every algorithm with its settings, as Katib's services take them.

/// An algorithm that Katib offers.
#[derive(Debug)]
pub struct Algorithm {
    pub name: &'static str,
    pub settings: &'static [Setting],
}

/// A setting with its rule.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub rule: Rule,
    pub required: bool,
}

#[derive(Debug)]
pub enum Rule {
    /// A whole number between the two.
    Whole(i64, i64),
    /// A number above.
    Above(f64),
    /// A number not below.
    AtLeast(f64),
    /// A number between, and neither.
    Inside(f64, f64),
    /// A number between, or one of the two.
    Between(f64, f64),
    OneOf(&'static [&'static str]),
    /// Any text, which is this.
    Text(&'static str),
    /// Nothing, for this reason.
    Refused(&'static str),
}

/// All of them, in the order in which one would try them.
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm { name: "random", settings: &[SEED] },
    Algorithm { name: "grid", settings: &[SEED] },
    Algorithm {
        name: "tpe",
        settings: &[
            optional("gamma", Rule::Inside(0.0, 1.0)),
            optional("prior_weight", Rule::Above(0.0)),
            optional("n_EI_candidates", Rule::Whole(1, MANY)),
            SEED,
        ],
    },
    Algorithm {
        name: "multivariate-tpe",
        settings: &[
            optional("n_startup_trials", Rule::Whole(0, MANY)),
            optional("n_ei_candidates", Rule::Whole(0, MANY)),
            SEED,
        ],
    },
    Algorithm {
        name: "bayesianoptimization",
        settings: &[
            optional("base_estimator", Rule::OneOf(&["GP", "RF", "ET", "GBRT"])),
            optional("n_initial_points", Rule::Whole(0, MANY)),
            optional("acq_func", Rule::OneOf(&["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"])),
            optional("acq_optimizer", Rule::OneOf(&["auto", "sampling", "lbfgs"])),
            SEED,
        ],
    },
    Algorithm {
        name: "cmaes",
        settings: &[
            optional("sigma", Rule::Above(0.0)),
            optional("restart_strategy", Rule::OneOf(&["ipop", "bipop", "none"])),
            SEED,
        ],
    },
    Algorithm { name: "sobol", settings: &[] },
    Algorithm {
        name: "hyperband",
        settings: &[
            required("r_l", Rule::AtLeast(1.0)),
            required("resource_name", Rule::Text("the name of a parameter")),
            optional("eta", Rule::Whole(2, MANY)),
        ],
    },
    Algorithm {
        name: "pbt",
        settings: &[
            required("suggestion_trial_dir", Rule::Text("a folder for checkpoints")),
            required("n_population", Rule::Whole(5, MANY)),
            required("truncation_threshold", Rule::Between(0.0, 1.0)),
            optional(
                "resample_probability",
                Rule::Refused("Katib's own check of it always fails: leave it out"),
            ),
        ],
    },
];

/// Stops trials that are worse than the mean of the earlier ones, in spite of its name.
pub const MEDIAN_STOP: Algorithm = Algorithm {
    name: "medianstop",
    settings: &[
        optional("min_trials_required", Rule::Whole(1, MANY)),
        optional("start_step", Rule::Whole(1, MANY)),
    ],
};

/// What NumPy takes as a seed.
const SEED: Setting = optional("random_state", Rule::Whole(0, u32::MAX as i64));

const MANY: i64 = i32::MAX as i64;

const fn optional(name: &'static str, rule: Rule) -> Setting {
    Setting { name, rule, required: false }
}

const fn required(name: &'static str, rule: Rule) -> Setting {
    Setting { name, rule, required: true }
}
