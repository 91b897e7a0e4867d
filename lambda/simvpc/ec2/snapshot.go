package ec2

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// How long a snapshot is pending here, and how many volumes can be left out by id
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSpecification.html).
const (
	snapshotTime    = time.Minute
	excludedVolumes = 40
)

type snapshotShape struct {
	ID          string        `xml:"snapshotId"`
	Volume      string        `xml:"volumeId"`
	State       string        `xml:"state,omitempty"`  // in CreateSnapshots
	Status      string        `xml:"status,omitempty"` // in DescribeSnapshots
	Started     string        `xml:"startTime"`
	Progress    string        `xml:"progress"`
	Owner       string        `xml:"ownerId"`
	Size        int           `xml:"volumeSize"`
	Description string        `xml:"description"`
	Encrypted   bool          `xml:"encrypted"`
	Tags        set[tagShape] `xml:"tagSet"`
}

func shapeOfSnapshot(w *world.World, s *world.Snapshot) snapshotShape {
	shape := snapshotShape{
		ID: s.ID, Volume: s.Volume, Status: s.State, Started: epoch, Progress: "100%", Owner: w.Account, Size: s.Size,
		Description: s.Description, Encrypted: s.Encrypted, Tags: shapeOfTags(s.Tags),
	}
	if s.State == "pending" {
		shape.Progress = "0%"
	}
	return shape
}

// createSnapshots snapshots the volumes of an instance at one moment. There is no
// client token: a repeat makes more
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html).
func createSnapshots(r *request) (answer, error) {
	i, err := one(kindInst, r.p.str("InstanceSpecification.InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	chosen, err := r.volumesToSnapshot(i)
	if err != nil {
		return nil, err
	}
	tags, err := r.p.tagsFor(kindSnap.name)
	if err != nil {
		return nil, err
	}
	var made []snapshotShape
	for _, v := range chosen {
		own := world.Tags{}
		if r.p.str("CopyTagsFromSource") == "volume" {
			maps.Copy(own, v.Tags)
		}
		maps.Copy(own, tags)
		if err := checkTags(nil, own); err != nil {
			return nil, err
		}
		s := &world.Snapshot{
			ID: r.newID("snap-"), Volume: v.ID, State: "pending", Size: v.Size, Encrypted: v.Encrypted,
			Description: r.p.str("Description"), Tags: own,
		}
		if len(own) == 0 {
			s.Tags = nil
		}
		r.w.Snapshots = append(r.w.Snapshots, s)
		if !r.dry {
			r.s.snapshots[s.ID] = r.now.Add(snapshotTime)
		}
		shape := shapeOfSnapshot(r.w, s)
		shape.State, shape.Status = shape.Status, ""
		made = append(made, shape)
	}
	return &struct {
		reply
		Snapshots set[snapshotShape] `xml:"snapshotSet"`
	}{Snapshots: set[snapshotShape]{made}}, nil
}

// volumesToSnapshot are the volumes of an instance that a call doesn't leave out.
func (r *request) volumesToSnapshot(i *world.Instance) ([]*world.Volume, error) {
	noRoot, err := r.p.boolean("InstanceSpecification.ExcludeBootVolume", false)
	if err != nil {
		return nil, err
	}
	without := r.p.list("InstanceSpecification.ExcludeDataVolumeId")
	if len(without) > excludedVolumes {
		return nil, fail("InvalidParameterValue", "At most %d volumes can be excluded", excludedVolumes)
	}
	var chosen []*world.Volume
	for _, v := range r.w.VolumesOf(i.ID) {
		named := slices.Contains(without, v.ID)
		switch {
		case named && v.Root:
			return nil, fail("InvalidParameterValue", "The root volume '%s' can't be excluded by its ID", v.ID)
		case named || v.Root && noRoot:
			continue
		case v.Modifying:
			return nil, fail("IncorrectState", "The volume '%s' is being modified.", v.ID)
		}
		chosen = append(chosen, v)
	}
	if len(chosen) == 0 {
		return nil, fail("InvalidParameterValue", "The instance '%s' has no volume to snapshot", i.ID)
	}
	return chosen, nil
}

var snapshots = catalogue[*world.Snapshot]{
	kind: kindSnap, ids: "SnapshotId",
	id:   func(s *world.Snapshot) string { return s.ID },
	tags: func(s *world.Snapshot) world.Tags { return s.Tags },
	fields: map[string]func(*world.World, *world.Snapshot) []string{
		"snapshot-id": func(_ *world.World, s *world.Snapshot) []string { return []string{s.ID} },
		"volume-id":   func(_ *world.World, s *world.Snapshot) []string { return []string{s.Volume} },
		"status":      func(_ *world.World, s *world.Snapshot) []string { return []string{s.State} },
		"owner-id":    func(w *world.World, _ *world.Snapshot) []string { return []string{w.Account} },
		"description": func(_ *world.World, s *world.Snapshot) []string { return []string{s.Description} },
		"encrypted":   func(_ *world.World, s *world.Snapshot) []string { return []string{strconv.FormatBool(s.Encrypted)} },
	},
}

// describeSnapshots knows the snapshots of the account: there are no others here.
func describeSnapshots(r *request) (answer, error) {
	for _, owner := range r.p.list("Owner") {
		if owner != "self" && owner != r.w.Account {
			return &struct {
				reply
				Snapshots set[snapshotShape] `xml:"snapshotSet"`
			}{}, nil
		}
	}
	found, next, err := snapshots.describe(r, r.w.Snapshots)
	return &struct {
		reply
		Snapshots set[snapshotShape] `xml:"snapshotSet"`
		Next      string             `xml:"nextToken,omitempty"`
	}{Snapshots: setOf(found, func(s *world.Snapshot) snapshotShape { return shapeOfSnapshot(r.w, s) }), Next: next}, err
}
