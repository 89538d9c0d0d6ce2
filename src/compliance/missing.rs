//! What a rule lacks in the evidence of an account.

use super::evidence::{Evidence, EvidenceGap, GapKind};
use super::kind::{Aspect, KindRef};
use super::rule::Rule;
use crate::audit::Basis;

/// Returns true if the rule can't be fully evaluated because of this gap.
pub(super) fn blocks(gap: &EvidenceGap, rule: &Rule, evidence: &Evidence) -> bool {
    let in_scope = match &gap.kind {
        GapKind::Region(region) => may_list(region.as_str(), rule, evidence),
        // A connection can be used from every region.
        GapKind::Source(scope) => {
            matches!(rule.requirement.kind(), KindRef::Connection(_))
                || rule.scope.has_region(scope.region())
        }
        _ => true,
    };
    in_scope && rule.requirement.kind().is_blocked_by(&gap.kind)
}

/// Returns true if an unobserved region may list connections in the scope of the
/// rule. It can't if these live in regions that were observed.
fn may_list(region: &str, rule: &Rule, evidence: &Evidence) -> bool {
    let Some(regions) = &rule.scope.regions else {
        return true;
    };
    let mut regions = regions.iter();
    rule.scope.has_region(region)
        || regions.any(|lives_in| !evidence.was_listed(lives_in) || evidence.not_observed(lives_in))
}

/// Returns why no run observed all that the rule needs.
pub(super) fn unobserved(rule: &Rule, evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let KindRef::Connection(kind) = rule.requirement.kind()
        && let Aspect::Changes { within } = kind.aspect()
    {
        let from = within.before(evidence.moment.at());
        if let Some(begins_at) = evidence.begins_at.filter(|begins_at| *begins_at > from) {
            reasons.push(format!(
                "the record begins at {begins_at}: nothing is known since {from} until then"
            ));
        }
        let basis = evidence.basis.as_ref();
        let last = basis.and_then(|basis| basis.last_complete_run.as_ref());
        if let Some(run) = last.filter(|run| run.started_at < from) {
            reasons.push(format!(
                "the last complete run started at {}, before {from}: later changes may not have been observed",
                run.started_at
            ));
        }
    }
    if let KindRef::Dependency(_) = rule.requirement.kind() {
        let own = evidence.own_dependencies().into_iter();
        let own = own.filter(|own| own.basis.as_ref().is_some_and(|b| b.last_run.is_some()));
        for own in own {
            let regions = rule.scope.regions.iter().flatten();
            let missing = regions.filter(|region| !own.was_asked(region));
            reasons.extend(missing.map(|region| {
                format!("dependencies in {region} were not listed: no run asked that region")
            }));
        }
    } else if evidence.basis.as_ref().is_some_and(Basis::is_evidence) {
        for region in rule.scope.regions.iter().flatten() {
            let mut rows = evidence.connections.iter();
            let is_shown = rows.any(|row| row.region == region.as_str());
            if !is_shown && !evidence.was_listed(region) && !evidence.not_observed(region) {
                reasons.push(format!(
                    "{region} was not listed, and no listing returned a connection in it"
                ));
            }
        }
    }
    reasons
}
