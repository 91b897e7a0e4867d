package world

// volume reads "volume vol-1 i-1 /dev/xvda root".
func (p *parser) volume(l *line) (err error) {
	v := &Volume{}
	p.lineOf[v] = l
	p.w.Volumes = append(p.w.Volumes, v)
	if v.ID, err = l.id("id", "vol-"); err != nil {
		return err
	}
	if v.Instance, err = l.holder(); err != nil {
		return err
	}
	if v.Device, err = l.next("device"); err != nil {
		return err
	}
	return l.fields(v.fields())
}

// holder reads the instance that has something, or "-" for none.
func (l *line) holder() (string, error) {
	if len(l.words) > 0 && l.words[0] == "-" {
		l.words = l.words[1:]
		return "", nil
	}
	return l.id("instance", "i-")
}

// elasticIP reads "elastic-ip eipalloc-1 203.0.113.10".
func (p *parser) elasticIP(l *line) (err error) {
	e := &ElasticIP{}
	p.lineOf[e] = l
	p.w.Addresses = append(p.w.Addresses, e)
	if e.ID, err = l.id("id", "eipalloc-"); err != nil {
		return err
	}
	addrs := l.addresses()
	if len(addrs) != 1 || !addrs[0].Is4() {
		return l.errorf("address", "want one IPv4 address")
	}
	e.Address = addrs[0]
	return l.fields([]field{tagged(&e.Tags)})
}

func (p *parser) snapshot(l *line) (err error) {
	s := &Snapshot{}
	p.lineOf[s] = l
	p.w.Snapshots = append(p.w.Snapshots, s)
	if s.ID, err = l.id("id", "snap-"); err != nil {
		return err
	}
	if s.Volume, err = l.id("volume", "vol-"); err != nil { // which may be gone
		return err
	}
	return l.fields(s.fields())
}

func (p *parser) autoScalingGroup(l *line) (err error) {
	g := &AutoScalingGroup{}
	p.lineOf[g] = l
	p.w.AutoScaling = append(p.w.AutoScaling, g)
	if err := l.set("name", &g.Name)(); err != nil {
		return err
	}
	return l.fields(g.fields())
}

func (p *parser) logGroup(l *line) error {
	var name string
	if err := l.set("name", &name)(); err != nil {
		return err
	}
	p.w.LogGroups = append(p.w.LogGroups, name)
	return l.options(nil)
}

// flowLog reads "flow-log fl-1 eni-1 group NAME".
func (p *parser) flowLog(l *line) (err error) {
	f := &FlowLog{}
	p.lineOf[f] = l
	p.w.FlowLogs = append(p.w.FlowLogs, f)
	if f.ID, err = l.id("id", "fl-"); err != nil {
		return err
	}
	if f.Resource, err = l.next("resource"); err != nil {
		return err
	}
	if err := l.fields(f.fields()); err != nil {
		return err
	}
	if f.LogGroup == "" {
		return l.errorf("group", "missing")
	}
	return nil
}
