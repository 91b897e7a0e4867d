package ec2

import (
	"time"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// suppressions is the most instances that one call suppresses checks of
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableApplicationStatusCheckSuppression.html).
const suppressions = 100

type suppression struct {
	Instance   string `xml:"instanceId"`
	Reason     string `xml:"reason,omitempty"`
	SuppressAt string `xml:"suppressAt,omitempty"`
	ResumeAt   string `xml:"resumeAt,omitempty"`
}

func enableSuppression(r *request) (answer, error) {
	seconds, given, err := r.p.integer("DurationSeconds")
	if err != nil {
		return nil, err
	}
	return r.suppress(func(i *world.Instance) suppression {
		i.Suppressed = true
		done := suppression{Instance: i.ID, SuppressAt: stamp(r.now)}
		delete(r.s.resume, i.ID)
		if given {
			r.s.resume[i.ID] = r.now.Add(time.Duration(seconds) * time.Second)
			done.ResumeAt = stamp(r.s.resume[i.ID])
		}
		return done
	})
}

func disableSuppression(r *request) (answer, error) {
	return r.suppress(func(i *world.Instance) suppression {
		i.Suppressed = false
		delete(r.s.resume, i.ID)
		return suppression{Instance: i.ID, ResumeAt: stamp(r.now)}
	})
}

// suppress does something to each instance that a call names. What goes wrong with
// one of them is in an answer that is a success otherwise.
func (r *request) suppress(do func(*world.Instance) suppression) (answer, error) {
	ids := r.p.list("InstanceId")
	if len(ids) == 0 || len(ids) > suppressions {
		return nil, fail("InvalidParameterValue", "Want 1 to %d instances, not %d", suppressions, len(ids))
	}
	var ok, failed []suppression
	for _, id := range ids {
		i, err := one(kindInst, id, r.w.Instance)
		switch {
		case err != nil:
			failed = append(failed, suppression{Instance: id, Reason: err.Error()})
		case i.State == "terminated":
			failed = append(failed, suppression{Instance: id, Reason: "the instance is terminated"})
		default:
			ok = append(ok, do(i))
		}
	}
	return &struct {
		reply
		OK     set[suppression] `xml:"successfulResultSet"`
		Failed set[suppression] `xml:"unsuccessfulResultSet"`
	}{OK: set[suppression]{ok}, Failed: set[suppression]{failed}}, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

type applicationStatus struct {
	Instance string        `xml:"instanceId"`
	Zone     string        `xml:"availabilityZone"`
	Status   string        `xml:"applicationStatus>status"`
	Tags     set[tagShape] `xml:"tagSet"`
}

// statusOfChecks is what the application status checks of an instance say, taken
// together (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ApplicationStatus.html).
func statusOfChecks(w *world.World, i *world.Instance) string {
	healthy, _ := oracle.Healthy(w, i)
	switch {
	case i.Suppressed:
		return "suppressed"
	case !i.Checked:
		return "not-applicable"
	case healthy:
		return "ok"
	default:
		return "impaired"
	}
}

var applicationStatuses = catalogue[*world.Instance]{
	kind: kindInst, ids: "InstanceId", alone: true,
	id: func(i *world.Instance) string { return i.ID },
	fields: map[string]func(*world.World, *world.Instance) []string{
		"status": func(w *world.World, i *world.Instance) []string { return []string{statusOfChecks(w, i)} },
	},
}

func describeApplicationStatus(r *request) (answer, error) {
	found, next, err := applicationStatuses.describe(r, r.w.Instances)
	return &struct {
		reply
		Instances set[applicationStatus] `xml:"applicationStatusesResponseType>instanceSet"`
		Next      string                 `xml:"nextToken,omitempty"`
	}{Instances: setOf(found, func(i *world.Instance) applicationStatus {
		return applicationStatus{i.ID, zoneOf(r.w, i), statusOfChecks(r.w, i), shapeOfTags(i.Tags)}
	}), Next: next}, err
}

// pass completes snapshots, and ends the suppression of checks that has an end.
func pass(s *state, w *world.World, now time.Time) bool {
	changed := false
	for _, snapshot := range w.Snapshots {
		if at, pending := s.snapshots[snapshot.ID]; pending && !now.Before(at) {
			snapshot.State, changed = "completed", true
			delete(s.snapshots, snapshot.ID)
		}
	}
	for _, i := range w.Instances {
		if at, ends := s.resume[i.ID]; ends && !now.Before(at) {
			i.Suppressed, changed = false, true
			delete(s.resume, i.ID)
		}
	}
	return changed
}
