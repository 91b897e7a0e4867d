package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// credentialLife is how long credentials that the metadata service has handed out stay
// valid. AWS does not document it: about six hours are what is seen.
const credentialLife = 6 * time.Hour

// denyCredentials plans that the instance gets no more credentials that may do anything:
// its profile is replaced, and in the end its metadata endpoint is switched off. What
// still works on the host needs the endpoint, so it goes last.
func (p *planner) denyCredentials() {
	i := p.seen.Instance
	profile := record.ProfileOf(i.ID, i.Role, p.rules.DenyProfile)
	was, recorded := p.recorded(profile.ID())
	switch {
	case i.Role != "":
		p.since(p.replace(profile), was)
	case recorded: // somebody has taken the profile away: there is none to replace
		p.record.Steps = append(p.record.Steps, was)
	}
	metadata := record.MetadataOf(i.ID, i.Metadata)
	was, recorded = p.recorded(metadata.ID())
	switch left, there := p.leftOver(metadata, metadata.After); {
	case recorded || !p.othersPending():
		p.since(p.replace(metadata), was)
	case there: // a later plan does not see any more what was there before
		p.record.Steps = append(p.record.Steps, record.StepState{Step: left, State: record.Pending})
		p.holdBack(metadata.ID())
	}
}

// othersPending reports whether a step beside the cut has yet to be taken, or to be
// planned.
func (p *planner) othersPending() bool {
	return len(p.unread) > 0 || slices.ContainsFunc(p.record.Steps, func(s record.StepState) bool {
		return s.State == record.Pending && !s.Step.Kind().Decides()
	})
}

// since notes until when credentials may live that were issued before the last step was
// seen in force: from the first time that it is.
func (p *planner) since(s, was record.StepState) {
	if s.State != record.Applied {
		return
	}
	s.Until = p.in.Now.Add(credentialLife)
	if was.State == record.Applied && !was.Until.IsZero() {
		s.Until = was.Until
	}
	p.record.Steps[len(p.record.Steps)-1] = s
}

// exposeCredentials says how long the instance's credentials can be used, and how a
// person revokes them.
func (p *planner) exposeCredentials() {
	role, until := p.credentials()
	switch {
	case role == "":
	case until.IsZero() && p.seen.Instance.Profile != "":
		p.expose(record.IMDSCredentials, "the instance can still fetch credentials of %s from its metadata service, and those that it has stay valid elsewhere, "+
			"each for about %d hours%s", role, int(credentialLife.Hours()), revocation(role))
	case until.After(p.in.Now):
		p.expose(record.IMDSCredentials, "credentials of %s that were issued before stay valid elsewhere until about %s%s", role, record.Clock(until), revocation(role))
	}
}

// credentials are whose credentials the instance had, and until when the last of them
// live; zero while it can fetch new ones.
func (p *planner) credentials() (role string, until time.Time) {
	role = p.seen.Instance.Role
	for _, s := range p.record.Steps {
		if k := s.Step.Kind(); s.State != record.Applied || k != record.KindProfile && k != record.KindMetadata {
			continue
		}
		if r := s.Step.(record.Replacement); r.Of == record.KindProfile && len(r.Before) > 0 {
			role = r.Before[0]
		}
		if !s.Until.IsZero() && (until.IsZero() || s.Until.Before(until)) {
			until = s.Until
		}
	}
	return role, until
}

var profileName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,128}$`) })

// revocation is the line that revokes what a role's sessions may do, for a person: no
// role of ours may write policies. It hits everybody who uses the role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
func revocation(profile string) string {
	name := profile[strings.LastIndex(profile, "/")+1:]
	if !profileName().MatchString(name) {
		return ""
	}
	return fmt.Sprintf(`; to revoke all sessions of its role: aws iam put-role-policy --policy-name AWSRevokeOlderSessions --role-name `+
		`"$(aws iam get-instance-profile --instance-profile-name %s --query 'InstanceProfile.Roles[0].RoleName' --output text)" --policy-document `+
		`'{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"'$(date -u +%%FT%%TZ)'"}}}]}'`, name)
}

// profile is the instance profile that an instance has.
func profile(seen network.Network, r record.Replacement) ([]string, bool) {
	if value, found := looked(seen, r); found {
		return value, true
	}
	return []string{seen.Instance.Role}, seen.Instance.Role != ""
}

// metadata is the state of the metadata endpoint.
func metadata(seen network.Network, r record.Replacement) ([]string, bool) {
	if value, found := looked(seen, r); found {
		return value, true
	}
	return []string{seen.Instance.Metadata}, seen.Instance.Metadata != ""
}
