//! What may keep a search from finding anything, as far as its code tells.

use workloads::{
    code::{self, FUNC_ARGS},
    environment,
};

use super::{
    Optimize,
    parameters::{self, Parameters},
};

impl Optimize {
    pub(super) fn advice(&self, parameters: &Parameters) -> Vec<String> {
        let mut warnings = Vec::new();
        let Some(script) = &self.script else { return warnings };
        let metric = &self.objective_metric_name;
        if !code::mentions(script, metric) {
            warnings.push(format!(
                "the script nowhere names {metric}: it must print {metric}=VALUE, or no trial counts"
            ));
        }
        // Who reads all parameters at once names none.
        let reads_all = ["FUNC_ARGS", "sys.argv", "parse_known_args"];
        debug_assert_eq!(reads_all[0], FUNC_ARGS);
        let reads_all = reads_all.iter().any(|it| script.contains(it));
        let ignored = parameters.names().filter(|name| {
            let plain = name.replace(['-', '.'], "_");
            let names = [(*name).to_owned(), plain, parameters::variable(name)];
            !reads_all && !names.iter().any(|it| code::mentions(script, it))
        });
        for name in ignored {
            warnings.push(format!(
                "the script nowhere names {name}: trials with other values of it would be the same"
            ));
        }
        if environment::holds_token(script) {
            let advice = "everyone who may read the job can read it; give it in env from a Secret";
            warnings.push(format!("the script holds what looks like a token: {advice}"));
        }
        warnings
    }
}
