package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// writeSecrets makes the keys, certificates and the token of the cluster, unless good ones are there.
func writeSecrets(dir string, addresses []net.IP) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if fresh(dir, addresses) {
		return nil
	}
	ca, err := authority(dir)
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: addresses,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	client := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if err := ca.issue(filepath.Join(dir, "kubelet-client"), client); err != nil {
		return err
	}
	if err := writeAccountKey(filepath.Join(dir, "sa.key")); err != nil {
		return err
	}
	token := make([]byte, 24)
	_, _ = rand.Read(token) // it never fails
	user := hex.EncodeToString(token)
	if err := writeFile(filepath.Join(dir, "tokens.csv"), []byte(user+",admin,admin,system:masters\n"), 0o600); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "token"), []byte(user), 0o600); err != nil {
		return err
	}
	// Last, because fresh looks at this one.
	return ca.issue(filepath.Join(dir, "apiserver"), server)
}

// fresh says whether the server's certificate is good for another month and for all the addresses of this machine.
func fresh(dir string, addresses []net.IP) bool {
	data, err := os.ReadFile(filepath.Join(dir, "apiserver.crt"))
	if err != nil {
		return false
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || time.Until(cert.NotAfter) < 30*24*time.Hour {
		return false
	}
	return !slices.ContainsFunc(addresses, func(ip net.IP) bool { return cert.VerifyHostname(ip.String()) != nil })
}

type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// authority makes a new certificate authority; its key is not kept, because all that it signs is made in the same run.
func authority(dir string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "skiff-e2e"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	ca := &issuer{cert: template, key: key}
	der, err := ca.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return ca, writePEM(filepath.Join(dir, "ca.crt"), "CERTIFICATE", der, 0o644)
}

func (ca *issuer) issue(base string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := ca.sign(template, key.Public())
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(base+".key", "EC PRIVATE KEY", private, 0o600),
		writePEM(base+".crt", "CERTIFICATE", der, 0o644))
}

func (ca *issuer) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().AddDate(10, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

// writeAccountKey makes the key that signs the tokens of service accounts. It stays as long as etcd's data may hold such
// tokens.
func writeAccountKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return writePEM(path, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// machineAddresses are those under which the API server is reached: loopback, its address as a service, and the machine's
// own. Bridges of engines and pods come and go, so they must not count.
func machineAddresses() []net.IP {
	list := []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceAddress)}
	// Nothing is sent: connecting a datagram socket only asks the routing table.
	conn, err := net.Dial("udp4", "198.51.100.1:9")
	if err != nil {
		return list // a machine without a network
	}
	defer conn.Close()
	if local, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		list = append(list, local.IP)
	}
	return list
}
