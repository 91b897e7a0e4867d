package guardduty

import (
	"encoding/json"
	"strings"
	"time"
)

// parseFinding decodes a finding in GuardDuty's own format.
func parseFinding(at string, raw json.RawMessage) (*Finding, []error) {
	w, ok := decode[wireFinding](raw)
	if !ok || w.ID.absent() && w.Type.absent() && !w.Resource.given {
		if at == "" {
			at = "event"
		}
		return nil, []error{malformed(at, "holds no finding, want %s", accepted)}
	}
	if w.Service.unreadable() {
		return nil, []error{malformed(within(at, "service"),
			"%s, want an object: without it a sample finding can't be told from a real one", w.Service.wrong.got())}
	}
	f := w.head()
	var unread notes
	instances, problems := w.instances(at, &unread)
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
	unread.inspect("", &w)
	f.Instances, f.UnreadableFields = instances, unread.fields()
	f.weigh()
	return &f, problems
}

// head fills in everything but the instances.
func (w wireFinding) head() Finding {
	s := w.Service.V
	f := Finding{
		ID:           w.ID.clean(maxID),
		AccountID:    w.AccountID.clean(maxWord),
		Region:       w.Region.clean(maxWord),
		Type:         w.Type.clean(maxID),
		UpdatedAt:    w.UpdatedAt.time(),
		LastSeen:     s.EventLastSeen.time(),
		Archived:     s.Archived.truth(),
		Sample:       s.AdditionalInfo.V.sample(),
		ResourceType: w.Resource.V.ResourceType.clean(maxWord),
		Origin:       GuardDuty,
	}
	if n, ok := w.Severity.number(); ok && validSeverity(n) {
		f.Severity = n
	}
	created := w.CreatedAt.time()
	f.Repeated = !created.IsZero() && f.UpdatedAt.Sub(created) >= leastInterval
	if role := strings.ToUpper(s.ResourceRole.s); role == "ACTOR" || role == "TARGET" {
		f.Role = role
	}
	f.fillFromARN(w)
	return f
}

// leastInterval is somewhat less than the 15 minutes after which GuardDuty publishes a
// finding again at the earliest.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
const leastInterval = 10 * time.Minute

// fillFromARN takes from the finding's ARN what the finding leaves out.
// arn:aws:guardduty:<region>:<account>:detector/<id>/finding/<id>
func (f *Finding) fillFromARN(w wireFinding) {
	parts := strings.SplitN(w.ARN.clean(maxID), ":", 6)
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
func (w wireFinding) instances(at string, unread *notes) ([]Instance, []error) {
	const here = "service.detection.sequence"
	if seq := w.Service.V.Detection.V.Sequence; seq.given {
		instances, problems := seq.V.instances(within(at, here), here, unread)
		if len(instances)+len(problems) > 0 {
			return instances, problems
		}
	}
	if err := w.sequenceWithoutInstances(at); err != nil {
		return nil, []error{err}
	}
	named, err := w.namesInstance(at)
	if err != nil {
		return nil, []error{err}
	}
	if !named {
		return nil, nil
	}
	i := w.Resource.V.InstanceDetails.V.instance()
	return []Instance{i.with(w.Service.V.Action.V.peers("service.action", unread))}, nil
}

func (w wireFinding) isSequence() bool {
	return strings.EqualFold(w.Resource.V.ResourceType.s, attackSequence) || strings.HasPrefix(w.Type.s, sequencePrefix)
}

// sequenceWithoutInstances says what is wrong with an attack sequence that names no
// instance, though it is on instances or can't be read: a person has to look.
func (w wireFinding) sequenceWithoutInstances(at string) error {
	if !w.isSequence() {
		return nil
	}
	detection := w.Service.V.Detection
	field := within(at, "service.detection.sequence.resources")
	switch {
	case detection.unreadable():
		return malformed(field, "can't be read, since service.detection is %s, want %s", detection.wrong, wantResources)
	case detection.V.Sequence.unreadable():
		return malformed(field, "can't be read, since service.detection.sequence is %s, want %s", detection.V.Sequence.wrong, wantResources)
	case onInstances(w.Type.s):
		return malformed(field, "names no instance, want %s", wantResources)
	}
	return nil
}

// namesInstance reports whether the finding's resource names an instance. Findings on
// containers and access keys may do so too. A finding on an instance may come
// without details, when the instance was terminated or is in another Region: that is an
// error, so that a person looks.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-ec2.html
func (w wireFinding) namesInstance(at string) (bool, error) {
	if !w.Resource.given {
		return false, malformed(within(at, "resource"), "%s, want what the finding is on", w.Resource.wrong.got())
	}
	on, details := w.Resource.V.ResourceType, w.Resource.V.InstanceDetails
	id := details.V.InstanceID
	switch {
	case validInstanceID(id.s):
		return true, nil
	case details.unreadable():
		return false, malformed(within(at, "resource.instanceDetails"), "%s, want an object with the instance's id", details.wrong.got())
	case id.absent() && (on.absent() || on.unreadable()):
		return false, malformed(within(at, "resource.resourceType"), "%s, want what the finding is on", on.got())
	case id.absent() && !strings.EqualFold(on.s, "Instance"):
		return false, nil
	}
	return false, malformed(within(at, "resource.instanceDetails.instanceId"), "%s, want %s", id.got(), wantInstanceID)
}
