//! TrainJobs whose trainer is in question.

use serde_json::json;

use super::{Changes, changes};

pub(super) fn trainer() -> Changes {
    changes! {
        "an empty trainer": {"spec": {"trainer": {}}},
        "a trainer that is a list": {"spec": {"trainer": []}},
        "everything a trainer may say": {"spec": {"trainer": {
            "image": "example.com/image:1", "command": ["python"], "args": ["a.py", "--b"],
            "env": [{"name": "A", "value": "b"}], "numNodes": 2, "numProcPerNode": 1,
            "resourcesPerNode": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": 1}},
        }}},
        "an empty image": {"spec": {"trainer": {"image": ""}}},
        "an image whose name is too long": {"spec": {"trainer": {"image": "a".repeat(501)}}},
        "an image that is a number": {"spec": {"trainer": {"image": 1}}},
        "a command that is a text": {"spec": {"trainer": {"command": "python"}}},
        "a command with a number": {"spec": {"trainer": {"command": ["sleep", 1]}}},
        "a command of 128 words": {"spec": {"trainer": {"command": vec!["a"; 128]}}},
        "a command of 129 words": {"spec": {"trainer": {"command": vec!["a"; 129]}}},
        "an empty command": {"spec": {"trainer": {"command": []}}},
        "arguments that are an object": {"spec": {"trainer": {"args": {}}}},
        "129 arguments": {"spec": {"trainer": {"args": vec!["a"; 129]}}},
        "no nodes": {"spec": {"trainer": {"numNodes": 0}}},
        "fewer nodes than none": {"spec": {"trainer": {"numNodes": -1}}},
        "a text of nodes": {"spec": {"trainer": {"numNodes": "2"}}},
        "a fraction of nodes": {"spec": {"trainer": {"numNodes": 1.5}}},
        "a whole number written as a fraction": {"spec": {"trainer": {"numNodes": 2.0}}},
        "more nodes than fit 32 bits": {"spec": {"trainer": {"numNodes": 2_147_483_648_u64}}},
        "no processes": {"spec": {"trainer": {"numProcPerNode": 0}}},
        "fewer processes than none": {"spec": {"trainer": {"numProcPerNode": -2}}},
        "processes as the generation before wrote them": {"spec": {"trainer": {"numProcPerNode": "auto"}}},
        "an unknown field of the trainer": {"spec": {"trainer": {"numNode": 2}}},
    }
}

pub(super) fn resources() -> Changes {
    changes! {
        "empty resources": {"spec": {"trainer": {"resourcesPerNode": {}}}},
        "a request above its limit": {"spec": {"trainer": {"resourcesPerNode": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}}},
        "a GPU": {"spec": {"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}},
        "half a GPU": {"spec": {"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": "500m"}}}}},
        "a quantity in milli": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"cpu": "1500m"}}}}},
        "a quantity with an exponent": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": "1e9"}}}}},
        "a quantity with a fraction": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": "1.5Gi"}}}}},
        "a quantity that is a floating number": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"cpu": 1.5}}}}},
        "a quantity with a wrong unit": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": "1GB"}}}}},
        "a quantity with a blank": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": "1 Gi"}}}}},
        "a quantity that is empty": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": ""}}}}},
        "a quantity that is true": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"memory": true}}}}},
        "a quantity below nothing": {"spec": {"trainer": {"resourcesPerNode": {"requests": {"cpu": "-1"}}}}},
        "limits that are a list": {"spec": {"trainer": {"resourcesPerNode": {"limits": []}}}},
        "resources not under limits or requests": {"spec": {"trainer": {"resourcesPerNode": {"cpu": 1}}}},
        "a claim": {"spec": {"trainer": {"resourcesPerNode": {"claims": [{"name": "a"}]}}}},
        "a claim without a name": {"spec": {"trainer": {"resourcesPerNode": {"claims": [{"request": "a"}]}}}},
        "a claim twice": {"spec": {"trainer": {"resourcesPerNode": {"claims": [{"name": "a"}, {"name": "a"}]}}}},
    }
}

pub(super) fn environment() -> Changes {
    changes! {
        "a variable": {"spec": {"trainer": {"env": [{"name": "A", "value": "b"}]}}},
        "a variable without a value": {"spec": {"trainer": {"env": [{"name": "A"}]}}},
        "a variable without a name": {"spec": {"trainer": {"env": [{"value": "b"}]}}},
        "a variable with an empty name": {"spec": {"trainer": {"env": [{"name": "", "value": "b"}]}}},
        "a variable whose value is a number": {"spec": {"trainer": {"env": [{"name": "A", "value": 1}]}}},
        "a variable whose value is true": {"spec": {"trainer": {"env": [{"name": "A", "value": true}]}}},
        "a variable twice": {"spec": {"trainer": {"env": [{"name": "A", "value": "b"}, {"name": "A", "value": "c"}]}}},
        "a variable with an unknown field": {"spec": {"trainer": {"env": [{"name": "A", "values": "b"}]}}},
        "variables that are an object": {"spec": {"trainer": {"env": {"A": "b"}}}},
        "a variable that is a text": {"spec": {"trainer": {"env": ["A=b"]}}},
        "128 variables": {"spec": {"trainer": {"env": variables(128)}}},
        "129 variables": {"spec": {"trainer": {"env": variables(129)}}},
        "a variable from a secret": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}}},
        "a variable from a secret without a key": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}},
        "a variable from a secret without a name": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]}}},
        "a variable from a field": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}}},
        "a variable from a field without a path": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}}},
        "a variable from a resource": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]}}},
        "a variable from a source that is not known": {"spec": {"trainer": {"env": [{"name": "A", "valueFrom": {"vaultRef": {}}}]}}},
        "a variable from two sources": {"spec": {"trainer": {"env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}}},
    }
}

fn variables(count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|index| json!({"name": format!("A{index}")})).collect()
}

pub(super) fn reserved() -> Changes {
    changes! {
        "a variable of the launcher in a plain runtime": {"spec": {"trainer": {"env": [{"name": "PET_NNODES", "value": "1"}]}}},
        "a variable that a torch runtime sets": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"env": [{"name": "PET_NNODES", "value": "1"}]}}},
        "every variable that a torch runtime sets": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"env": [
            {"name": "PET_NPROC_PER_NODE"}, {"name": "PET_NODE_RANK"}, {"name": "PET_NNODES"}, {"name": "PET_MASTER_PORT"}, {"name": "PET_MASTER_ADDR"},
        ]}}},
        "a reserved variable beside a free one": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"env": [{"name": "A", "value": "b"}, {"name": "PET_MASTER_ADDR", "value": "c"}]}}},
        "a free variable in a torch runtime": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"env": [{"name": "NCCL_DEBUG", "value": "INFO"}]}}},
        "a reserved variable with a source": {"spec": {"runtimeRef": {"name": "torch"}, "trainer": {"env": [{"name": "PET_NNODES", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}}},
        "a variable that an MPI runtime sets": {"spec": {"runtimeRef": {"name": "mpi"}, "trainer": {"env": [{"name": "OMPI_MCA_plm_rsh_args", "value": "a"}]}}},
        "two variables that an MPI runtime sets": {"spec": {"runtimeRef": {"name": "mpi"}, "trainer": {"env": [
            {"name": "OMPI_MCA_orte_set_default_slots"}, {"name": "OMPI_MCA_orte_default_hostfile"}, {"name": "OMPI_MCA_orte_keep_fqdn_hostnames"},
        ]}}},
        "variables that an XGBoost runtime sets": {"spec": {"runtimeRef": {"name": "xgboost"}, "trainer": {"env": [
            {"name": "DMLC_TASK_ID"}, {"name": "A"}, {"name": "DMLC_NUM_WORKER"}, {"name": "DMLC_TRACKER_URI"}, {"name": "DMLC_TRACKER_PORT"},
        ]}}},
        "a variable that a JAX runtime sets": {"spec": {"runtimeRef": {"name": "jax"}, "trainer": {"env": [{"name": "JAX_PROCESS_ID", "value": "1"}]}}},
    }
}

pub(super) fn policies() -> Changes {
    changes! {
        "two nodes of MPI without workers": {"spec": {"runtimeRef": {"name": "mpi-launcher"}, "trainer": {"numNodes": 2}}},
        "flux whose installer is taken": {"spec": {"runtimeRef": {"name": "flux-taken"}, "trainer": {"numNodes": 1}}},
        "an injection into a container that is not there": {"spec": {"runtimeRef": {"name": "injects"}}},
        "a queue without a name": {"spec": {"runtimeRef": {"name": "volcano"}}},
        "a gang": {"spec": {"runtimeRef": {"name": "gang"}}},
    }
}
