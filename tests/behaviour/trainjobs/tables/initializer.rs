//! TrainJobs whose initializers are in question.

use super::{Changes, changes};

pub(super) fn initializer() -> Changes {
    changes! {
        "an empty initializer": {"spec": {"initializer": {}}},
        "an initializer that is a text": {"spec": {"initializer": "hf://a/b"}},
        "an unknown initializer": {"spec": {"initializer": {"data": {}}}},
        "a data set in a runtime without its step": {"spec": {"initializer": {"dataset": {}}}},
        "a model in a runtime without its step": {"spec": {"initializer": {"model": {"storageUri": "hf://a/b"}}}},
        "both in a runtime without their steps": {"spec": {"initializer": {"dataset": {}, "model": {}}}},
        "a data set in a step of another container": {"spec": {"runtimeRef": {"name": "init-other"}, "initializer": {"dataset": {}}}},
        "a model in a step of another container": {"spec": {"runtimeRef": {"name": "init-other"}, "initializer": {"model": {}}}},
        "a data set in a step without a volume": {"spec": {"runtimeRef": {"name": "init-bare"}, "initializer": {"dataset": {}}}},
        "a model in a step without a volume": {"spec": {"runtimeRef": {"name": "init-bare"}, "initializer": {"model": {}}}},
        "both in a runtime with their steps": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": "hf://a/b"}, "model": {"storageUri": "s3://a/b"}}}},
        "an empty address": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": ""}}}},
        "an address without a scheme": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": "a/b"}}}},
        "an address that is only a scheme": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": "hf://"}}}},
        "an address whose scheme begins with a digit": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": "3s://a"}}}},
        "an address whose scheme has a dot": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"storageUri": "a.b+c-d://e"}}}},
        "a model's address without a scheme": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"model": {"storageUri": "a"}}}},
        "two wrong addresses": {"spec": {"initializer": {"dataset": {"storageUri": "a"}, "model": {"storageUri": "b"}}}},
        "an address that is too long": {"spec": {"initializer": {"dataset": {"storageUri": format!("hf://{}", "a".repeat(2048))}}}},
        "an address that is a number": {"spec": {"initializer": {"dataset": {"storageUri": 1}}}},
        "a secret": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"secretRef": {"name": "token"}}}}},
        "a secret without a name": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"secretRef": {}}}}},
        "a secret that is a text": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"dataset": {"secretRef": "token"}}}},
        "variables": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"model": {"env": [{"name": "A", "value": "b"}]}}}},
        "a variable twice": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"model": {"env": [{"name": "A"}, {"name": "A"}]}}}},
        "a variable without a name": {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "initializer": {"model": {"env": [{"value": "b"}]}}}},
    }
}
