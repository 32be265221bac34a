//! The services of a workload: started before its rounds, each in its own process, and gone with this one.

use std::collections::BTreeMap;

use super::{Event, Plan};
use crate::error::{Error, Result};
use crate::record;
use crate::service::{Request, Service, llm};
use crate::workload::{Description, Need};

/// The running services of a run.
pub(super) struct Services {
    running: Vec<Service>,
    /// Where spawned servers keep their sockets; removed with the services.
    _folder: tempfile::TempDir,
}

/// Starts what the workload declares that it needs.
pub(super) fn start(description: &Description, plan: &Plan, tell: &mut dyn FnMut(Event)) -> Result<Services> {
    let folder = tempfile::Builder::new()
        .prefix("perfkit-")
        .tempdir()
        .map_err(|error| Error::write(std::env::temp_dir(), error))?;
    let executable = match &plan.executable {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(Error::internal)?,
    };
    let mut running = Vec::new();
    for need in description.needs {
        let url = plan.service_urls.get(need).cloned();
        let request = match need {
            Need::Redis => Request::Redis { url },
            Need::Llm => Request::Llm { url, settings: llm::Settings { seed: plan.seed, ..llm::Settings::default() } },
        };
        let service = Service::start(request, folder.path(), &executable)?;
        tell(Event::Service { name: service.name(), what: format!("{} {}", service.kind().name(), service.version()) });
        running.push(service);
    }
    Ok(Services { running, _folder: folder })
}

impl Services {
    /// Whether all of them still answer.
    pub(super) fn check(&mut self) -> Result<()> {
        self.running.iter_mut().try_for_each(Service::check)
    }

    /// Where they answer, by name; may hold credentials.
    pub(super) fn urls(&self) -> BTreeMap<String, String> {
        self.running.iter().map(|service| (service.name().to_owned(), service.url().to_owned())).collect()
    }

    /// What a run says of them.
    pub(super) fn described(&self) -> BTreeMap<String, record::Service> {
        let describe = |service: &Service| record::Service {
            kind: service.kind().name().to_owned(),
            version: service.version().to_owned(),
            address: service.redacted_url(),
        };
        self.running.iter().map(|service| (service.name().to_owned(), describe(service))).collect()
    }
}
