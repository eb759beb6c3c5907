// pion/dtls v2 as one end of a handshake over UDP that gives SRTP its keys. With the key of another than the certificate's, it is a
// thief: everybody has certificates, which are sent in the clear. It asks for the certificate of the other end, and takes any.
// Flags: -role client|server -at PORT -to PORT -cert FILE -key FILE; tells "ready", then "material HEX" or "failed WHY".
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/dtls/v2"
)

var (
	role            = flag.String("role", "client", "")
	at              = flag.Int("at", 0, "")
	to              = flag.Int("to", 0, "")
	certificateFile = flag.String("cert", "", "")
	keyFile         = flag.String("key", "", "")
)

const materialBytes = 60 // of SRTP_AES128_CM_HMAC_SHA1_80: two keys of 16 octets, two salts of 14
const patience = 20 * time.Second

func check(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	text, err := os.ReadFile(path)
	check(err)
	block, _ := pem.Decode(text)
	return block.Bytes
}

func main() {
	flag.Parse()
	key, err := x509.ParsePKCS8PrivateKey(read(*keyFile))
	check(err)
	config := &dtls.Config{
		Certificates:           []tls.Certificate{{Certificate: [][]byte{read(*certificateFile)}, PrivateKey: key}},
		SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80},
		ExtendedMasterSecret:   dtls.RequireExtendedMasterSecret,
		ClientAuth:             dtls.RequireAnyClientCert,
		InsecureSkipVerify:     true,
	}
	here, there := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 1)
	socket, err := net.DialUDP("udp4", &net.UDPAddr{IP: here, Port: *at}, &net.UDPAddr{IP: there, Port: *to})
	check(err)
	fmt.Println("ready")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	shake := dtls.ClientWithContext
	if *role == "server" {
		shake = dtls.ServerWithContext
	}
	connection, err := shake(ctx, socket, config)
	check(err)
	state := connection.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, materialBytes)
	check(err)
	fmt.Printf("material %x\n", material)
	time.Sleep(patience)
}
