package machine

import (
	"time"

	"tourniquet/lambda/simvpc/ec2/call"
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

func enableSuppression(r *call.Request) (call.Answer, error) {
	seconds, given, err := r.Params.Integer("DurationSeconds")
	if err != nil {
		return nil, err
	}
	return suppress(r, func(i *world.Instance) suppression {
		i.Suppressed = true
		done := suppression{Instance: i.ID, SuppressAt: stamp(r.Now)}
		delete(r.State.Resume, i.ID)
		if given {
			r.State.Resume[i.ID] = r.Now.Add(time.Duration(seconds) * time.Second)
			done.ResumeAt = stamp(r.State.Resume[i.ID])
		}
		return done
	})
}

func disableSuppression(r *call.Request) (call.Answer, error) {
	return suppress(r, func(i *world.Instance) suppression {
		i.Suppressed = false
		delete(r.State.Resume, i.ID)
		return suppression{Instance: i.ID, ResumeAt: stamp(r.Now)}
	})
}

// suppress does something to each instance that a call names. What goes wrong with
// one of them is in an answer that is a success otherwise.
func suppress(r *call.Request, do func(*world.Instance) suppression) (call.Answer, error) {
	ids := r.Params.List("InstanceId")
	if len(ids) == 0 || len(ids) > suppressions {
		return nil, call.Fail("InvalidParameterValue", "Want 1 to %d instances, not %d", suppressions, len(ids))
	}
	var ok, failed []suppression
	for _, id := range ids {
		i, err := call.One(call.KindInst, id, r.World.Instance)
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
		call.Reply
		OK     call.Set[suppression] `xml:"successfulResultSet"`
		Failed call.Set[suppression] `xml:"unsuccessfulResultSet"`
	}{OK: call.Set[suppression]{Items: ok}, Failed: call.Set[suppression]{Items: failed}}, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

type applicationStatus struct {
	Instance string                  `xml:"instanceId"`
	Zone     string                  `xml:"availabilityZone"`
	Status   string                  `xml:"applicationStatus>status"`
	Tags     call.Set[call.TagShape] `xml:"tagSet"`
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

var applicationStatuses = call.Catalogue[*world.Instance]{
	Kind: call.KindInst, IDs: "InstanceId", Alone: true,
	ID: func(i *world.Instance) string { return i.ID },
	Fields: map[string]func(*world.World, *world.Instance) []string{
		"status": func(w *world.World, i *world.Instance) []string { return []string{statusOfChecks(w, i)} },
	},
}

func describeApplicationStatus(r *call.Request) (call.Answer, error) {
	found, next, err := applicationStatuses.Describe(r, r.World.Instances)
	return &struct {
		call.Reply
		Instances call.Set[applicationStatus] `xml:"applicationStatusesResponseType>instanceSet"`
		Next      string                      `xml:"nextToken,omitempty"`
	}{Instances: call.SetOf(found, func(i *world.Instance) applicationStatus {
		return applicationStatus{i.ID, zoneOf(r.World, i), statusOfChecks(r.World, i), call.ShapeOfTags(i.Tags)}
	}), Next: next}, err
}

// Pass completes snapshots, and ends the suppression of checks that has an end.
func Pass(s *call.State, w *world.World, now time.Time) bool {
	changed := false
	for _, snapshot := range w.Snapshots {
		if at, pending := s.Snapshots[snapshot.ID]; pending && !now.Before(at) {
			snapshot.State, changed = "completed", true
			delete(s.Snapshots, snapshot.ID)
		}
	}
	for _, i := range w.Instances {
		if at, ends := s.Resume[i.ID]; ends && !now.Before(at) {
			i.Suppressed, changed = false, true
			delete(s.Resume, i.ID)
		}
	}
	return changed
}
