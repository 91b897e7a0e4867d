package guardduty

import (
	"encoding/json"
	"strings"
)

// parseFinding decodes a finding in GuardDuty's own format.
func parseFinding(at string, raw json.RawMessage) (*Finding, []error) {
	w, ok := decode[wireFinding](raw)
	if !ok || w.ID.absent() && w.Type.absent() && w.Resource == nil {
		if at == "" {
			at = "event"
		}
		return nil, []error{malformed(at, "holds no finding, want %s", accepted)}
	}
	f := w.head()
	instances, problems := w.instances(at)
	f.Instances = instances
	if len(instances) == 0 {
		if len(problems) > 0 {
			return nil, problems
		}
		return &f, nil
	}
	err := firstWrong(at,
		required{"type", validType(f.Type), w.Type, wantType},
		required{"severity", validSeverity(f.Severity), w.Severity, wantSeverity},
		required{"accountId", validAccount(f.AccountID), w.AccountID, wantAccount},
		required{"id", w.ID.absent() || validID(w.ID.s), w.ID, wantID},
	)
	if err != nil {
		return nil, append(problems, err)
	}
	f.weigh()
	return &f, problems
}

// head fills in everything but the instances.
func (w wireFinding) head() Finding {
	s := w.Service
	f := Finding{
		ID:          w.ID.clean(maxID),
		ARN:         w.ARN.clean(maxID),
		AccountID:   w.AccountID.clean(maxWord),
		Region:      w.Region.clean(maxWord),
		Type:        w.Type.clean(maxID),
		Title:       w.Title.clean(maxTitle),
		Description: w.Description.clean(maxDescription),
		Count:       s.Count.integer(1<<31 - 1),
		CreatedAt:   w.CreatedAt.time(),
		UpdatedAt:   w.UpdatedAt.time(),
		FirstSeen:   s.EventFirstSeen.time(),
		LastSeen:    s.EventLastSeen.time(),
		Archived:    s.Archived.truth(),
		Sample:      s.AdditionalInfo.sample(),
		Action:      s.Action.ActionType.clean(maxWord),
		Origin:      GuardDuty,
	}
	if w.Resource != nil {
		f.ResourceType = w.Resource.ResourceType.clean(maxWord)
	}
	if n, ok := w.Severity.number(); ok && validSeverity(n) {
		f.Severity = n
	}
	if role := strings.ToUpper(s.ResourceRole.s); role == "ACTOR" || role == "TARGET" {
		f.Role = role
	}
	f.fillFromARN(w)
	return f
}

// fillFromARN takes from the finding's ARN what the finding leaves out.
// arn:aws:guardduty:<region>:<account>:detector/<id>/finding/<id>
func (f *Finding) fillFromARN(w wireFinding) {
	parts := strings.SplitN(f.ARN, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return
	}
	if w.Region.absent() {
		f.Region = parts[3]
	}
	if w.AccountID.absent() && validAccount(parts[4]) {
		f.AccountID = parts[4]
	}
	if _, id, _ := strings.Cut(parts[5], "/finding/"); w.ID.absent() && validID(id) {
		f.ID = id
	}
}

// instances lists the instances that the finding names, and what is wrong with
// how it names them.
func (w wireFinding) instances(at string) ([]Instance, []error) {
	if seq := w.Service.Detection.Sequence; seq != nil {
		instances, problems := seq.instances(within(at, "service.detection.sequence"))
		if len(instances)+len(problems) > 0 {
			return instances, problems
		}
	}
	named, err := w.names(at)
	if err != nil {
		return nil, []error{err}
	}
	if !named {
		return nil, nil
	}
	return []Instance{w.Resource.InstanceDetails.instance().with(w.Service.Action.peers())}, nil
}

// names reports whether the finding's resource names an instance. Findings on
// containers and access keys may do so too. A finding on an instance may come
// without details, when it was terminated or is in another region: that is an
// error, so that a person looks.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-ec2.html
func (w wireFinding) names(at string) (bool, error) {
	if w.Resource == nil {
		return false, malformed(within(at, "resource"), "missing, want what the finding is on")
	}
	kind, id := w.Resource.ResourceType, w.Resource.InstanceDetails.InstanceID
	switch {
	case kind.absent() && id.absent():
		return false, malformed(within(at, "resource.resourceType"), "missing, want what the finding is on")
	case id.absent() && !strings.EqualFold(kind.s, "Instance"):
		return false, nil
	case !validInstanceID(id.s):
		return false, malformed(within(at, "resource.instanceDetails.instanceId"), "%s, want %s", id.got(), wantInstanceID)
	}
	return true, nil
}
