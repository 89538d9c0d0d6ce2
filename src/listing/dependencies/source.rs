//! The sources of dependencies, and the regions where each exists.

use crate::domain::dependency_type::{RAM, TAGGING};
use crate::domain::{Region, SourceScope};

/// Names the sources once.
macro_rules! sources {
    ($($(#[$doc:meta])* $name:ident = $text:expr, $regions:expr;)+) => {
        /// A service that is asked for dependencies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Source { $($(#[$doc])* $name,)+ }

        impl Source {
            /// All sources.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// The source in scopes.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            const fn regions(self) -> Regions {
                match self { $(Self::$name => $regions,)+ }
            }
        }
    };
}

/// The regions where a service exists, as botocore's `endpoints.json` has them;
/// `tests/it/deploy/source_regions.rs` compares the two.
#[derive(Debug, Clone, Copy)]
enum Regions {
    /// Every region, those that AWS adds included.
    All,
    /// No others: for services that come to few regions.
    Only(&'static [&'static str]),
    /// All but those that begin like this: a region that AWS adds is asked.
    AllBut(&'static [&'static str]),
}

sources! {
    /// CodeBuild: projects, and the default credentials of an account.
    CodeBuild = "codebuild", Regions::All;
    /// CodeGuru Reviewer: associated repositories.
    CodeGuruReviewer = "codeguru-reviewer", Regions::Only(&CODE_GURU);
    /// CodePipeline: source actions of pipelines.
    CodePipeline = "codepipeline", Regions::All;
    /// DataZone: Git connections of domains.
    DataZone = "datazone", Regions::AllBut(&["eu-isoe-", "us-iso"]);
    /// CodeConnections: repository links, and the stacks in sync with them.
    GitSync = "git-sync", Regions::All;
    /// HealthOmics: workflows that are defined in a repository.
    HealthOmics = "healthomics", Regions::Only(&HEALTH_OMICS);
    /// CodeConnections: hosts.
    Hosts = "hosts", Regions::All;
    /// Inspector: code security integrations.
    Inspector = "inspector", Regions::AllBut(&[
        "ap-southeast-6",
        "eu-isoe-",
        "eusc-",
        "us-iso",
    ]);
    /// Proton: linked repositories.
    Proton = "proton", Regions::Only(&PROTON);
    /// Resource Access Manager: shares of connections.
    Ram = RAM, Regions::All;
    /// Service Catalog: products in sync with a repository.
    ServiceCatalog = "service-catalog", Regions::AllBut(&[
        "ap-east-2",
        "ap-southeast-5",
        "ap-southeast-7",
        "eusc-",
        "mx-central-1",
        "us-iso",
    ]);
    /// The Resource Groups Tagging API: tags of connections and hosts.
    Tagging = TAGGING, Regions::All;
}

const CODE_GURU: [&str; 10] = [
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

const HEALTH_OMICS: [&str; 10] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "il-central-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

const PROTON: [&str; 11] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

impl Source {
    /// Returns the scope of its listing of a region.
    #[expect(clippy::expect_used, reason = "the names of sources are plain")]
    pub(super) fn scope(self, region: &Region) -> SourceScope {
        SourceScope::of(self.as_str(), region).expect("a scope")
    }

    /// Returns true if its service exists in a region.
    pub fn exists_in(self, region: &Region) -> bool {
        let region = region.as_str();
        match self.regions() {
            Regions::All => true,
            Regions::Only(regions) => regions.contains(&region),
            Regions::AllBut(prefixes) => !prefixes.iter().any(|it| region.starts_with(it)),
        }
    }
}
