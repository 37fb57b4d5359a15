/** The line that a person runs on a gateway. Pure. @module */

/**
 * Fetches the installer from the hub itself and runs it. The token goes into a file by a shell's builtin:
 * it is never an argument of a process. Flags of the installer may be written behind it.
 */
export function installCommand(publicUrl: string, token: string): string {
  return `(umask 077; printf %s '${token}' > penstock-join-token) && ` +
    `curl -fsSL ${publicUrl}/install.sh | ` +
    `sudo sh -s -- --hub ${publicUrl} --join-token-file "$PWD/penstock-join-token"`;
}
