//! One run: a story of an agent and its job, with faults where chance puts them.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use kubeflow_mcp_tests::waiting::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    agent::Agent,
    cluster::{Cluster, Fault},
    job::Job,
    random::Random,
};

#[derive(Clone, Copy, Debug)]
enum Story {
    /// The job is started and waited for.
    Ends,
    /// Two agents start it at the same time.
    Twice,
    /// It is suspended and resumed.
    Rests,
    /// It is deleted.
    Goes,
}

/// Everything that happens follows from the seed, but for what the machine makes of it.
pub(crate) async fn run(seed: u64) {
    let mut random = Random::new(seed);
    let story = random.of(&[Story::Ends, Story::Twice, Story::Rests, Story::Goes]);
    let cluster = Cluster::start().await;
    let agent = Agent::new(cluster.kubeconfig());
    let job = Job::new(cluster.folder(), "digits", matches!(story, Story::Rests));
    let mut run = Run { random, cluster, agent, job };
    let told = async {
        match story {
            Story::Ends => run.ends().await,
            Story::Twice => run.twice().await,
            Story::Rests => run.rests().await,
            Story::Goes => run.goes().await,
        }
    };
    if let Err(panic) = AssertUnwindSafe(told).catch_unwind().await {
        let (why, left) = (words(&*panic), run.cluster.shown().await);
        panic!("run {seed}, {story:?}: {why}\nIt left this behind:\n{left}");
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_default()
}

struct Run {
    random: Random,
    cluster: Cluster,
    agent: Agent,
    job: Job,
}

impl Run {
    async fn ends(&mut self) {
        self.submit().await;
        self.check_done_once().await;
    }

    async fn twice(&mut self) {
        let (submission, other) = (self.job.submission(), Agent::new(self.cluster.kubeconfig()));
        let fault = self.fault();
        let call = "run_custom_training";
        let (one, two, ()) = tokio::join!(
            self.agent.call(call, &submission),
            other.call(call, &submission),
            happen(&self.cluster, &self.agent, fault),
        );
        for answer in [&one, &two] {
            assert!(answer.get("code").is_none(), "{answer}");
        }
        assert!(one["created"] == false || two["created"] == false, "{one} {two}");
        self.check_done_once().await;
    }

    async fn rests(&mut self) {
        self.submit().await;
        let name = self.job.name;
        let suspend = json!({"name": name, "action": "suspend", "confirmed": true});
        let suspended = self.call("update_training_job", suspend).await;
        assert_eq!(suspended["suspended"], true, "{suspended}");
        until("the rest", async || {
            let job = self.agent.call("get_training_job", &json!({"name": name})).await;
            let rests = job["phase"] == "Suspended" && job["groups"] == json!([]);
            if rests { Ok(()) } else { Err(job.to_string()) }
        })
        .await;
        let resume = json!({"name": name, "action": "resume", "confirmed": true});
        let resumed = self.call("update_training_job", resume).await;
        assert_eq!(resumed["suspended"], false, "{resumed}");
        self.job.end();
        self.wait().await;
        assert_eq!(self.job.runs().1, 1, "it ended once");
        assert_eq!(self.cluster.parts().await, [1; 4]);
    }

    async fn goes(&mut self) {
        self.submit().await;
        let deleted =
            self.call("delete_training_job", json!({"name": self.job.name, "confirmed": true}));
        let deleted = deleted.await;
        // The answer that said so may have been lost.
        let gone = deleted["code"] == "not_found" || deleted.get("code").is_none();
        assert!(gone, "{deleted}");
        until("the end of all its parts", async || {
            let parts = self.cluster.parts().await;
            if parts == [0; 4] { Ok(()) } else { Err(format!("{parts:?}")) }
        })
        .await;
    }

    async fn submit(&mut self) {
        let started = self.call("run_custom_training", self.job.submission()).await;
        assert!(started["created"].is_boolean(), "{started}");
        let found = self.agent.call("get_training_job", &json!({"name": self.job.name})).await;
        assert_eq!(found["name"], self.job.name, "{found}");
    }

    async fn wait(&mut self) {
        let wait = json!({"name": self.job.name, "timeout_seconds": 120});
        let ended = self.call("wait_for_training", wait).await;
        assert_eq!(
            (&ended["outcome"], &ended["phase"]),
            (&json!("reached"), &json!("Succeeded")),
            "{ended}"
        );
    }

    async fn check_done_once(&mut self) {
        self.wait().await;
        assert_eq!(self.job.runs(), (1, 1), "how often it has begun and ended");
        assert_eq!(self.cluster.parts().await, [1; 4]);
    }

    /// A call with a fault somewhere in it, or after it.
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let fault = self.fault();
        let happens = happen(&self.cluster, &self.agent, fault);
        let (answer, ()) = tokio::join!(self.agent.call(tool, &arguments), happens);
        answer
    }

    fn fault(&mut self) -> Planned {
        let longest = self.cluster.span();
        Planned {
            fault: self.random.of(&self.cluster.faults()),
            after: self.random.moment(longest),
            lasts: self.random.moment(longest),
        }
    }
}

struct Planned {
    fault: Fault,
    after: Duration,
    lasts: Duration,
}

async fn happen(cluster: &Cluster, agent: &Agent, Planned { fault, after, lasts }: Planned) {
    sleep(after).await;
    match fault {
        Fault::Nothing => {}
        Fault::Server => agent.kill_server(),
        Fault::Cut => cluster.cut(),
        Fault::Part(name) => cluster.restart(name, lasts).await,
    }
}
