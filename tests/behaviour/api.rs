//! How the API answers, request by request: each test is a conversation in a file.

use std::{collections::BTreeSet, fs, path::Path};

use crate::conversation::hold;

macro_rules! conversations {
    ($($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            hold(concat!("api/", stringify!($name), ".txt")).await;
        })+

        #[test]
        fn every_conversation_is_held() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour/api");
            let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
            let names = files.map(|it| it.file_stem().unwrap().to_string_lossy().into_owned());
            let held: BTreeSet<String> = [$(stringify!($name).to_owned()),+].into();
            assert_eq!(names.collect::<BTreeSet<_>>(), held);
        }
    };
}

conversations! {
    access,
    apply,
    bodies,
    created_names,
    custom_validation,
    defaults_of_jobs,
    defaults_of_pods,
    defaults_of_simple_kinds,
    deletion,
    discovery,
    dry_run,
    events,
    generation,
    immutability,
    job_life,
    lists,
    managers,
    names,
    namespaces,
    not_found,
    partial_metadata,
    patches,
    protection,
    quota,
    selectors,
    tables,
    validation_of_jobs,
    validation_of_pods,
    validation_of_others,
    watches,
}
