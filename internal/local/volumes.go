package local

import (
	"maps"
	"path"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// volumes makes a folder of every volume that a container mounts, and maps where it is mounted.
func (p *planner) volumes(d *draft) {
	dirs := map[string]string{}
	for _, v := range d.pod.Volumes {
		if !d.mounts(v.Name) {
			continue
		}
		dir := filepath.Join(p.State, "volumes", fileName(d.unit.Namespace+"."+d.unit.Name), fileName(v.Name))
		volume, ok := p.volume(d, v, dir)
		if !ok {
			continue
		}
		dirs[v.Name] = volume.Dir
		d.unit.Volumes = append(d.unit.Volumes, volume)
	}
	for _, c := range d.containers {
		for _, m := range c.VolumeMounts {
			dir, ok := dirs[m.Name]
			if !ok {
				dir = p.claimed(d, m.Name)
			}
			if dir == "" {
				continue
			}
			if m.SubPathExpr != "" {
				p.find(Gap, d, c, "volume", "", "subPathExpr %s is not followed: %s is the whole volume", m.SubPathExpr, m.MountPath)
			}
			c.layout.add(m.MountPath, filepath.Join(dir, filepath.FromSlash(m.SubPath)))
			if rel, below := inside(c.image.Dir, m.MountPath); below && c.image.Dir != "/" {
				p.find(Differs, d, c, "volume", "name it by its absolute path, or by a variable",
					"the volume %s is not at %s in the working folder: relative paths do not find it", m.Name, path.Join(".", rel))
			}
		}
	}
}

// claimed is the folder of a volume that a StatefulSet claims for each of its pods.
func (p *planner) claimed(d *draft, name string) string {
	templates, _, _ := unstructured.NestedSlice(d.object.Object, "spec", "volumeClaimTemplates")
	for _, t := range templates {
		if m, ok := t.(map[string]any); ok {
			if n, _, _ := unstructured.NestedString(m, "metadata", "name"); n == name {
				dir := p.claimDir(d, d.unit.Name+"-"+name)
				d.unit.Volumes = append(d.unit.Volumes, Volume{Dir: dir, Keep: true})
				return dir
			}
		}
	}
	return ""
}

func (p *planner) claimDir(d *draft, claim string) string {
	return filepath.Join(p.State, "claims", fileName(d.unit.Namespace+"."+claim))
}

func (d *draft) mounts(volume string) bool {
	return slices.ContainsFunc(d.containers, func(c *container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume })
	})
}

func (p *planner) volume(d *draft, v corev1.Volume, dir string) (Volume, bool) {
	switch {
	case v.ConfigMap != nil:
		return Volume{Dir: dir, Files: p.files(d, "ConfigMap", v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, isTrue(v.ConfigMap.Optional))}, true
	case v.Secret != nil:
		return Volume{Dir: dir, Files: p.files(d, "Secret", v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, isTrue(v.Secret.Optional))}, true
	case v.Projected != nil:
		return Volume{Dir: dir, Files: p.projected(d, v.Projected)}, true
	case v.DownwardAPI != nil:
		return Volume{Dir: dir, Files: p.downward(d, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)}, true
	case v.EmptyDir != nil:
		return Volume{Dir: dir}, true
	case v.PersistentVolumeClaim != nil:
		claim := p.claimDir(d, v.PersistentVolumeClaim.ClaimName)
		p.find(Differs, d, nil, "volume", "", "claim %s is the folder %s", v.PersistentVolumeClaim.ClaimName, claim)
		return Volume{Dir: claim, Keep: true}, true
	case v.HostPath != nil:
		p.find(Differs, d, nil, "volume", "", "hostPath %s is the folder %s, not the machine's own", v.HostPath.Path, dir)
		return Volume{Dir: dir, Keep: true}, true
	case v.Ephemeral != nil:
		return Volume{Dir: dir}, true
	}
	p.find(Gap, d, nil, "volume", "", "volume %s is of a kind that is not supported here; its folder is empty", v.Name)
	return Volume{Dir: dir}, true
}

// files is a ConfigMap or a Secret as files. Addresses in it are as they are here, as in the environment.
func (p *planner) files(d *draft, kind, name string, items []corev1.KeyToPath, mode *int32, optional bool) []File {
	data, ok := p.data[key(kind, d.unit.Namespace, name)]
	if !ok && !optional {
		p.find(Broken, d, nil, "volume", "add it to the manifests", "%s %q is not in the manifests", kind, name)
	}
	if len(items) == 0 {
		for _, k := range slices.Sorted(maps.Keys(data)) {
			items = append(items, corev1.KeyToPath{Key: k, Path: k})
		}
	}
	var files []File
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if !optional {
				p.find(Broken, d, nil, "volume", "add the key", "%s %q has no key %q", kind, name, item.Key)
			}
			continue
		}
		files = append(files, File{Path: item.Path, Data: p.rewrite(value), Mode: modeOf(item.Mode, mode)})
	}
	return files
}

func (p *planner) projected(d *draft, v *corev1.ProjectedVolumeSource) []File {
	var files []File
	for _, s := range v.Sources {
		switch {
		case s.ConfigMap != nil:
			files = append(files, p.files(d, "ConfigMap", s.ConfigMap.Name, s.ConfigMap.Items, v.DefaultMode, isTrue(s.ConfigMap.Optional))...)
		case s.Secret != nil:
			files = append(files, p.files(d, "Secret", s.Secret.Name, s.Secret.Items, v.DefaultMode, isTrue(s.Secret.Optional))...)
		case s.DownwardAPI != nil:
			files = append(files, p.downward(d, s.DownwardAPI.Items, v.DefaultMode)...)
		default:
			p.find(Gap, d, nil, "volume", "", "a token or certificate of the cluster cannot be projected here")
		}
	}
	return files
}

func (p *planner) downward(d *draft, items []corev1.DownwardAPIVolumeFile, mode *int32) []File {
	var files []File
	for _, item := range items {
		value, ok := "", false
		switch {
		case item.FieldRef != nil:
			value, ok = p.field(d, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, ok = d.resource(nil, item.ResourceFieldRef)
		}
		if !ok {
			p.find(Differs, d, nil, "volume", "", "the file %s is not there: its field means nothing here", item.Path)
			continue
		}
		files = append(files, File{Path: item.Path, Data: value, Mode: modeOf(item.Mode, mode)})
	}
	return files
}

// modeOf is the mode of a file; the owner may always read, for the owner is who runs the process.
func modeOf(own, all *int32) uint32 {
	mode := uint32(0o644)
	if all != nil {
		mode = uint32(*all)
	}
	if own != nil {
		mode = uint32(*own)
	}
	return mode | 0o400
}

func nestedMap(o map[string]any, path ...string) (map[string]string, bool, error) {
	return unstructured.NestedStringMap(o, path...)
}
